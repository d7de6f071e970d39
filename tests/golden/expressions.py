"""Writes expressions.jsonl: what DuckDB says of SQL scalar expressions on a table of awkward rows.

    pip install duckdb==2.0.1 && python tests/golden/expressions.py

The first line has the tool's version, the columns and the rows; each further line an expression, its type and its
result on every row. What DuckDB refuses at run time, and NaN and infinities, are null, as src/feature/expr/mod.rs says.
An interval is its seconds.
"""

import datetime
import decimal
import json
import math
import pathlib

import duckdb

COLUMNS = [("i", "int", "bigint"), ("j", "int", "bigint"), ("x", "float", "double"), ("y", "float", "double"),
           ("s", "text", "varchar"), ("p", "text", "varchar"), ("a", "bool", "boolean"), ("b", "bool", "boolean"),
           ("t", "timestamp", "timestamp"), ("u", "timestamp", "timestamp")]

ROWS = [
    [7, -2, 2.5, -1.5, "héLLo ß", "h%", True, False, "2013-06-01 12:34:56.789", "2013-05-30 01:00:00"],
    [0, 0, 0.0, 0.0, "", "", False, False, "1970-01-01 00:00:00", "1970-01-01 00:00:00"],
    [None] * 10,
    [-7, 3, -0.5, 3.0, "UA", "_A", True, None, "2012-02-29 23:59:59.999999", "2013-03-01 00:00:00"],
    [9223372036854775807, 1, 1e300, 1e300, "42", "4_", None, True, "2099-12-31 23:59:59", None],
    [-9223372036854775808, -1, -1e300, 1e-300, " -17.5 ", "%", False, True, "1970-01-01 00:00:01",
     "2038-01-19 03:14:07"],
    [None, 5, None, 1.25, None, "a", None, False, None, "2000-02-29 12:00:00.5"],
    [3, None, 0.1, None, "true", None, False, None, "2013-11-03 06:30:00.000001", None],
    [1000000007, 10, 123456.789, 1e-7, "日本語 テキスト", "%語%", True, True, "2024-12-31 00:00:00",
     "2024-01-01 00:00:00"],
    [2, 2, 3.5, 2.0, "100%_!", "100!%!_!!", False, True, "2013-01-01 05:15:00", "2013-01-01 05:15:00"],
    [-1, 64, -2.5, 0.5, "𝒳🙂é", "__é", True, False, "2001-09-09 01:46:40", "1999-12-31 23:59:59.25"],
    [10, -10, 1e16, 1e15, "2013-06-01 12:34:56", "2013%56", False, False, "2013-06-01 12:34:56", "2013-06-02 00:00:00"],
]

EXPRESSIONS = r"""
i + j
i - j
i * j
i / j
i % j
x + y
x - y
x * y
x / y
x % y
i + x
i - y
i * x
i / 2
i % 2
i % 0
x / 0
x % 0
x % 2
-i
-x
+i
-(-i)
- -x
i + 1 - j * 2
(i + 1) * (j - 2)
i - j - 1
i * 2 / 3
2 * i % 5
-i % 3
-7 % 3
7 % -3
1 + 2 * 3
x * 2 + y / 4 - 1
i + 9223372036854775807
-9223372036854775808 - j
9223372036854775807
-9223372036854775808
1e3
1.5e0 * x
2.5e-3
i = j
i <> j
i != j
i < j
i <= j
i > j
i >= j
x = y
x < y
x >= y
i < x
x <= i
i = 7
x = 2.5
s = 'UA'
s <> 'UA'
s < p
s >= 'a'
s > 'Z'
s < '日'
a = b
a < b
a >= b
a = true
t = u
t < u
t >= u
t > '2013-01-01'
'2013-06-01 12:34:56' = t
t < timestamp '2013-01-01 00:00:00'
a and b
a or b
not a
not (a and b)
not a or b
not a and not b
a and null
a or null
null and a
not null
a and b or x > 0
a or b and x > 0
not i = 7
not x > 1 and a
i is null
i is not null
s is null
t is not null
a is null
(a and b) is null
a is true
a is not true
b is false
b is not false
a is unknown
i is distinct from j
i is not distinct from j
s is distinct from p
a is not distinct from b
x + 1 is null
i + j > 3
i > 0 and x > 0 or s is null
case when i > 0 then 'positive' when i < 0 then 'negative' else 'zero' end
case when a then i end
case when a then i else x end
case when null then 1 else 2 end
case when x > 1 then 'big' end
case i when 7 then 'seven' when 0 then 'nought' else 'other' end
case i when j then 'same' when x then 'as x' end
case s when 'UA' then 1 when '' then 2 when null then 3 else 4 end
case t when u then true else false end
case a when b then 'same' else 'different' end
case when a then t else u end
case when a then t else '2013-01-01' end
case when a then null else 5 end
case when b then s else p end
case when i > 0 then case when x > 0 then 'pp' else 'pn' end else 'n' end
case case when a then 1 else 2 end when 1 then 'one' when 2 then 'two' end
coalesce(i, j, 0)
coalesce(i, x)
coalesce(x, 0)
coalesce(s, p, 'none')
coalesce(t, u)
coalesce(a, b, false)
coalesce(null, i)
coalesce(i / nullif(j, 0), -1)
coalesce(t, '2013-01-01 00:00:00')
nullif(i, j)
nullif(i, 7)
nullif(s, '')
nullif(x, 2.5)
nullif(x, i)
nullif(t, u)
nullif(a, b)
x / nullif(y, 0)
i between 0 and 10
i between j and 100
i not between 0 and 10
x between y and 3
x not between -1 and 1
i between null and 3
i between 8 and null
s between 'A' and 'Z'
t between u and '2013-12-31'
t not between '2013-01-01' and '2013-12-31 23:59:59'
i in (1, 2, 7)
i not in (1, 2, 7)
i in (j, 7, null)
i not in (1, null)
i in (null)
x in (0, 2.5, i)
s in ('UA', 'DL', '')
s not in ('UA', null)
t in (u, '2013-01-01 05:15:00')
a in (b, true)
s like 'h%'
s like '%L%o%'
s like '_A'
s like ''
s like '%'
s like '_%'
s like '___'
s like '%ß'
s like '日%'
s like '_本%ト'
s not like 'U%'
s like p
s not like p
s like '100!%!_!!' escape '!'
s like p escape '!'
s like '%\%%' escape '\'
s like '%\_%'
s like null
'a_c' like 'abc'
'abc' like 'a_c'
'abcabd' like '%ab_'
'aXbXc' like 'a%X%c'
'ab' like 'a%b%b'
upper(s) like 'H%'
cast(x as bigint)
cast(x * 2 as bigint)
cast(i as double)
cast(i as varchar)
cast(x as varchar)
cast(y as text)
cast(a as varchar)
cast(t as varchar)
cast(u as text)
cast(a as bigint)
cast(a as int) + cast(b as int)
cast(a as double)
cast(i as boolean)
cast(x as boolean)
cast(s as bigint)
cast(s as double)
cast(s as boolean)
cast(s as timestamp)
cast('2.5' as bigint)
cast('-2.5' as bigint)
cast('1e3' as int)
cast(' 42 ' as int)
cast('+5' as int)
cast('' as int)
cast('abc' as int)
cast('12abc' as double)
cast('.5' as double)
cast('5.' as double)
cast('1e400' as double)
cast('inf' as double)
cast('nan' as double)
cast('T' as boolean)
cast('No' as boolean)
cast('on' as boolean)
cast('2013-02-29' as timestamp)
cast('2013-06-01' as timestamp)
cast('2013-06-01T12:34:56Z' as timestamp)
cast('2013-06-01 12:34:56.123456' as timestamp)
cast(null as int)
cast(null as text)
i::double
x::bigint
i::text || '!'
s::double + 1
(x > 1)::int
i::double / 7
extract(year from t)
extract(month from t)
extract(day from t)
extract(hour from t)
extract(minute from t)
extract(second from t)
extract(dow from t)
extract(doy from t)
extract(epoch from t)
extract(year from u)
extract(dow from u)
extract(doy from u)
extract(epoch from u)
extract(epoch from t - u)
extract(epoch from t - u) / 60
extract(hour from t + interval '3 hours')
extract(day from t - interval '1 day')
sin(6.283185307179586e0 * extract(hour from t) / 24)
t + interval '3 hours'
t - interval '90 minutes'
t + interval '1 day 2 hours'
interval '30 seconds' + t
t - interval '2 weeks'
t + interval '-3 hours'
t + interval '1.5 hours'
t + interval '90' minute
t + interval '01:30:00'
t + interval '1 hour' * 3
t - u
t - u > interval '1 day'
t + (u - t)
t + interval '1 day' > u
interval '1 day' + interval '2 hours'
interval '1 hour' = interval '60 minutes'
abs(i)
abs(x)
abs(-3)
ln(x)
ln(i)
ln(abs(x))
exp(x)
exp(y)
exp(1000)
sqrt(x)
sqrt(abs(y))
sqrt(i)
floor(x)
floor(y)
ceil(x)
ceil(y)
floor(i)
ceil(-0.5e0)
round(x)
round(y)
round(x, 1)
round(x, 0)
round(y, 3)
round(x, -1)
round(x, -400)
round(x, 400)
round(i)
round(i, -1)
round(i, -2)
round(i, 2)
round(2.675e0, 2)
round(1.005e0, 2)
round(-0.15e0, 1)
round(0.25e0, 1)
round(x / 8, 2)
round(i * 1.5e0, -1)
round(25e0, -1)
round(-2.5e0)
power(x, 2)
power(x, y)
power(i, j)
power(2, 10)
power(0, -1)
power(10, 400)
power(-8, 0.5)
least(i, j)
least(x, y)
least(i, x)
greatest(i, j)
greatest(x, y, 1)
greatest(null, i)
least(x, null)
least(s, p)
greatest(s, p)
least(t, u)
greatest(a, b)
greatest(t, '2013-01-01')
least(180, greatest(-20, x))
sin(x)
sin(y)
cos(i)
cos(x)
pi()
pi() * power(y, 2)
lower(s)
upper(s)
lower('ÀÉÎ ΑΒΓ ЖЗИ İ ẞ')
upper('straße àéî αβγ жзи ı ſ ŉ')
length(s)
length(p)
length('')
length('🤦🏼‍♂️')
substr(s, 1, 2)
substr(s, 2)
substr(s, 2, 3)
substr(s, 0, 2)
substr(s, -2)
substr(s, -2, 1)
substr(s, 3, -2)
substr(s, 1, 0)
substr(s, 100)
substr(s, 2, 100)
substring(s, 2, 2)
substring(s from 2 for 2)
substring(s from 3)
substr(s, j)
substr('hello', 2, 3)
substr('hello', -3, 2)
substr('hello', -1, -2)
substr('hello', 0)
concat(s, p)
concat(s, '-', i)
concat(null)
concat(s, null, 'x')
concat(a, x, t)
s || p
s || '-' || p
s || null
i || s
'a' || 'b'
'it''s'
'quote "d"'
s || ' ' || cast(i as varchar) || ' ' || cast(a as varchar)
lower(substr(s, 1, 3)) || upper(p)
length(s || p) + length(s)
length(concat(s, p))
coalesce(lower(nullif(s, '')), 'empty')
null
true
false
true and false or true
1 = 1 and 'a' < 'b'
null is null
null = null
null + 1
1 + null * 2
(1 + 2) * (3 - 4) / 5
((i))
i + (j + (i - (j * 2)))
x > 0 and ln(abs(x)) > 0 or y is null
case when y <> 0 then x / y else 0 end
a and x > 0 and y > 0 and i > 0
a or x > 0 or y > 0 or i > 0
not not a
a <> b
(a and b) = (b and a)
(a or b) is not distinct from (not (not a and not b))
I + J
"i" + "x"
coalesce(x, 0) * coalesce(y, 1) + coalesce(i, 0) % 7
greatest(least(i, 100), -100) * 2
i = 1 or i = 2 or i = 3 or i = 7
s = 'UA' and not (p is null) and length(s) = 2
"""


def plain(value):
    """A value as JSON says it; null for what has no finite value."""
    if isinstance(value, decimal.Decimal):
        value = float(value)
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, datetime.timedelta):
        return value / datetime.timedelta(seconds=1)
    if isinstance(value, datetime.datetime):
        return value.isoformat(" ")
    return value


def main():
    db = duckdb.connect()
    assert duckdb.__version__ == "2.0.1", duckdb.__version__
    db.execute("create table r (n int, " + ", ".join(f'"{name}" {sql}' for name, _, sql in COLUMNS) + ")")
    for n, row in enumerate(ROWS):
        db.execute(f"insert into r values ({', '.join('?' * (len(row) + 1))})", [n, *row])
    types = {"TINYINT": "int", "INTEGER": "int", "BIGINT": "int", "HUGEINT": "int", "DOUBLE": "float",
             "VARCHAR": "text", "BOOLEAN": "bool", "TIMESTAMP": "timestamp", "INTERVAL": "float", '"NULL"': "null"}
    head = {"tool": f"duckdb {duckdb.__version__}", "columns": {name: kind for name, kind, _ in COLUMNS}, "rows": ROWS}
    lines = [head]
    for text in EXPRESSIONS.strip().splitlines():
        results = []
        for n in range(len(ROWS)):
            try:
                (value,) = db.execute(f"select {text} from r where n = {n}").fetchone()
            except (duckdb.OutOfRangeException, duckdb.ConversionException, duckdb.InvalidInputException,
                    duckdb.SyntaxException):
                value = None
            results.append(plain(value))
        sql = db.execute(f"describe select {text} from r").fetchone()[1]
        lines.append({"expr": text, "type": "float" if sql.startswith("DECIMAL") else types[sql], "results": results})
    path = pathlib.Path(__file__).with_suffix(".jsonl")
    path.write_text("".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines))


main()
