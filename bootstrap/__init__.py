"""Start a run: settings, Java, the Spark session, and the command line.

cli/ ──▶ settings.py ──┬──▶ session.py (Spark) ──▶ pipeline.py (one run) ──▶ transforms
                         └──▶ catalog (a lake) ──▶ status, query: no Spark
"""
