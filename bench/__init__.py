"""The budgets, measured: each against its peer in the same run, on this machine, in a few minutes.

    python -m bench [--only NAME] [--quick] [--seed S]

``frame`` says what a line is and how it is printed, ``place`` makes shops and installations to measure with, ``pairs``
measures two things in turn, ``lines/`` holds one module per budget. docs/performance.md tells what each line means.
"""
