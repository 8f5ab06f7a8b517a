"""Benchmarks of the gateway, beside others: `python -m benchmarks`, and its commands `scaling`, `memory` and `workers`.

The load generator (`load`) and a mock provider (`upstream`) share one core; the gateway under test has another. The
main figure is the CPU time of the gateway's whole process tree per request: unlike seconds and requests per second, it
hardly depends on what else the machine is doing.
"""
