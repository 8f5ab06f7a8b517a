"""What the gateway costs, beside others: `python -m benchmarks`, and `… scaling`, `… memory`, `… workers`.

Processes, and where they run: the load generator (`load`) and a mock provider (`upstream`) share one core, the gateway
under test has another. The figure that matters is CPU time of the gateway's whole process tree per request: it says
the same on a busy machine, where seconds and requests per second do not.
"""
