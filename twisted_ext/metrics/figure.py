"""
Declarations of numbers in the statistics.
"""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Figure"]


@dataclass(slots=True, eq=False)
class Figure:
    """
    The declaration of a number in the statistics that a feature adds, or of several with a label.

    @ivar key: its key in the numbers of L{Figures<twisted_ext.metrics.figures.Figures>}.
    @ivar metric: the name of its metric.
    @ivar meaning: the help text of the metric, a sentence.
    @ivar grows: whether it is a counter, which is kept when the process ends that has counted; else it is a current value.
    @ivar label: the name of the label of its samples; C{""} for one number. Those with a label are told by the keeper of the feature. Or
        they are numbers of the processes that answer queries: these have the value of the label behind the key, and a space between. There
        may be several labels, and values, with spaces between.
    @ivar words: what C{txdns control stats} calls it; C{""} to leave it out there.
    """

    key: str
    metric: str
    meaning: str
    grows: bool = False
    label: str = ""
    words: str = ""
