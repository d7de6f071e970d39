"""Makes the three streams of pipeline `credit`: loans whose outcome is known months later, corrected and withdrawn.

usage: make.py

- loans: some 15 a day from 2021-01-01 to 2023-12-31, each of one of 4,000 customers, with amount, income, term, purpose
  and region. The chance of default rises with the share of the income that the loan takes, with late payments of the
  customer, and, from 2022-09-01 on, when interest has risen, with long terms: a drift of the concept.
- payments: of each customer, how many days late, once a month while it has a loan.
- outcomes: whether the loan defaulted, 60 to 170 days after it was given. 2 % get a wrong one that is corrected within
  20 days; 1 % get one that is withdrawn (`defaulted` is null); 3 % never get one.
- Customer 77 asks to be erased on 2023-06-01: every outcome of its loans that can still be withdrawn is.
"""
import math
import pathlib
import random
import sys
from datetime import datetime, timedelta

HERE = pathlib.Path(__file__).parent
sys.path.insert(0, str(HERE.parent))
from packing import write  # noqa: E402

SEED = 77
START, END, SHOCK, ERASED = datetime(2021, 1, 1), datetime(2024, 1, 1), datetime(2022, 9, 1), datetime(2023, 6, 1)
PURPOSES = {"car": 0.0, "home": -0.4, "study": 0.1, "travel": 0.5, "business": 0.3}
REGIONS = ["east", "north", "south", "west"]


def stamp(at):
    return f"{at:%Y-%m-%dT%H:%M:%SZ}"


def main():
    draw = random.Random(SEED)
    customers = [(draw.choice(REGIONS), round(draw.lognormvariate(10.4, 0.4)), draw.betavariate(1.2, 6)) for _ in range(4000)]
    loans, payments, outcomes = [], [], []
    at, number = START, 0
    while True:
        at += timedelta(minutes=draw.expovariate(1 / 96))
        at = at.replace(microsecond=0)
        if at >= END:
            break
        number += 1
        # Customer 77 comes often, so that there is something to erase.
        customer = 77 if draw.random() < 0.003 else draw.randrange(4000)
        region, income, careless = customers[customer]
        purpose = draw.choices(list(PURPOSES), [4, 2, 1, 1, 1])[0]
        amount, months = round(draw.lognormvariate(9.0, 0.6), -2), draw.choice([12, 24, 36, 48, 60])
        loans.append((at, {"loan": str(number), "customer": str(customer), "given_at": stamp(at), "amount": amount,
                           "income": float(income), "months": months, "purpose": purpose, "region": region}))
        for month in range(1, 4):
            late = max(0, round(draw.gauss(25 * careless - 2, 3)))
            paid = at + timedelta(days=30 * month, minutes=draw.randrange(1440))
            if paid < END:
                payments.append((paid, {"customer": str(customer), "paid_at": stamp(paid), "days_late": float(late)}))
        burden = 12 * amount / months / income
        z = -2.6 + 3.0 * burden + 5.0 * careless + PURPOSES[purpose] + (0.03 * (months - 24) if at >= SHOCK else 0)
        y = draw.random() < 1 / (1 + math.exp(-z))
        fate, known = draw.random(), at + timedelta(days=draw.uniform(60, 170))
        known = known.replace(microsecond=0)
        later = known + timedelta(hours=draw.randrange(1, 480))
        told = [] if fate < 0.03 else [(known, y)]
        if 0.03 <= fate < 0.05:
            told = [(known, not y), (later, y)]
        elif 0.05 <= fate < 0.06:
            told = [(known, y), (later, None)]
        if customer == 77 and ERASED - timedelta(days=190) < at < ERASED:
            told = [one for one in told if one[0] < ERASED] + [(ERASED, None)]
        outcomes += [(when, {"loan": str(number), "known_at": stamp(when), "defaulted": y}) for when, y in told]
    word = {True: "true", False: "false", None: "null"}

    def lines(rows):
        def value(v):
            return word[v] if v is None or isinstance(v, bool) else f'"{v}"' if isinstance(v, str) else f"{v:g}"
        rows = sorted(rows, key=lambda row: row[0])
        return ["{" + ",".join(f'"{k}":{value(v)}' for k, v in row.items()) + "}" for at, row in rows if at < END]

    write(HERE, "loans.jsonl.gz", lines(loans))
    write(HERE, "payments.jsonl.gz", lines(payments))
    write(HERE, "outcomes.jsonl.gz", lines(outcomes))


if __name__ == "__main__":
    main()
