"""How a run starts: settings, Java, the Spark session, and the command line.

cli.py ──▶ settings.py ──┬──▶ session.py (Spark) ──▶ pipeline.py (one run) ──▶ transforms
                         └──▶ lakes.py (a lake's catalog) ──▶ status, query: no Spark
"""
