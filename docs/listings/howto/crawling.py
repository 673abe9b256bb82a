"""
Crawl pages with Scrapy.

    python -m crawling http://web6.example.com:8080/
"""

import sys

import scrapy
from scrapy.crawler import CrawlerProcess


class Pages(scrapy.Spider):
    name = "pages"

    async def start(self):
        for url in sys.argv[1:]:
            yield scrapy.Request(url, errback=self.failed)

    def parse(self, response):
        print(f"{response.url} at {response.ip_address}: {response.text}")

    def failed(self, failure):
        print(f"{failure.request.url}: {failure.type.__name__}")


process = CrawlerProcess(
    {
        "TWISTED_DNS_RESOLVER": "twisted_ext.integrations.scrapy.CrawlerResolver",
        "TXDNS_RESOLVER": "chain:(hosts):(special):(cache:udp:127.0.0.1:5301)",
        "RETRY_ENABLED": False,
        "LOG_LEVEL": "CRITICAL",
    }
)
process.crawl(Pages)
process.start()
