"""
The zones that are served: the table that answers come from, loading, transfers and updates.

The path of a change, by whichever door it comes::

    master file, database, code    load        read, and compiled in a child
    a primary, a catalog           transfer    fetched by AXFR or IXFR into a file
    an update, API, console        update      edits.ZoneEdits, or updates.UpdateHandler
                                       |
                     update.commit.CommitQueue     changes are made of the version in force, one after the other,
                                       |            and are on disk before anybody is told
                     signing.door.SigningDoor      a version that is to be signed is, in a child
                                       |
                     images.publish.ZonePublisher  guards judge a version that has lost much
                                       |
                     table.zonetable.Zones         the version is in force: maps and cached replies of the former one are forgotten
                                       |
      transfer.notify, process.zonesyncparent      secondaries are told, workers get the change

What a zone is, on disk and on the wire, is in L{twisted_ext.zone}; what asks others for names is in L{twisted_ext.server.sources}.
"""
