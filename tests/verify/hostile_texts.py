"""Texts that hang, crash or starve a careless verifier; shared by the tests and the benchmark."""

SLOW = (
    r"\prod_{k=1}^{\infty}(1+\frac{1}{k^{2.5}})",
    r"\int" + r"\int" * 6 + r" e^{-x^7y^3z^4}\sin(xyz) dxdydz",
    r"\int " * 200 + "x",
    r"\int_0^{\infty} \frac{\sin(x^x)}{\ln(\cos(x^3)+2)} dx",
)
"""Formulas whose symbolic treatment takes long: they reach a worker and are killed there."""

HEAVY = (
    "9^{9^{9}}",
    "9^{9^{9^{9}}}",
    "9**9**9**9",
    "(10^{10})!",
    "((10!)!)!",
    "(3!)!!!!",
    "x!!!!!!!!!!!!!!",
    r"\binom{10^9}{5\cdot10^8}",
    r"\sum_{k=1}^{10^{9}} k",
    r"\sum_{k=1}^{900}\sum_{j=1}^{900}\sum_{i=1}^{900} x^{ijk}",
    r"\prod_{j=1}^{900}\prod_{k=1}^{900} k^j",
    "e^{e^{e^{e^{e^{x}}}}}",
    r"(x+y+z+w)^{999}",
    "+".join(f"1/{p}^{{999}}" for p in range(3, 200, 2)),
    "1" + "/3" * 900,
    "x^" * 2000 + "2",
    "2^{" * 60 + "2" + "}" * 60,
    r"\begin{pmatrix}2&1\\1&1\end{pmatrix}" * 60,
    r"\gcd(10^{999},7^{999})",
    r"\lfloor 10^{300}\pi\rfloor",
)
"""Numbers and expressions that are small to write and large to compute."""

LONG = (
    r"\frac{1}{" * 1000 + "1" + "}" * 1000,
    "(" * 2000 + "1" + ")" * 2000,
    "{" * 5000,
    "9" * 100_000,
    "1." + "3" * 100_000,
    "-" * 100_000 + "1",
    "+".join(["x"] * 50_000),
    "a" * 100_000,
    r"\boxed{" * 5000,
    r"\boxed{}" * 5000,
    r"\boxed{1}" * 5000,
    r"\(" * 50_000,
    "$" * 50_001,
    "\\text{" * 5000,
    "1," * 50_000,
    "answer is " * 10_000,
    "answer to " + "x" * 100_000,
    "<think>" * 20_000,
    "</think>" * 20_000,
    "<answer>" * 20_000,
    "####" * 30_000,
    " or 5" * 20_000,
    " " * 200_000 + "7",
    "ab cd " * 10_000,
    "|" * 999 + "x" + "|" * 999,
    r"\begin{pmatrix}" + "1&" * 3000 + r"1\end{pmatrix}",
)
"""Texts against regular expressions and recursive parsers."""

STRANGE = (
    "\x00" * 1000 + "5",
    "\ud800" * 100,
    "5\udfff",
    "".join(chr(plane * 0x10000 + 0x41) for plane in range(17)),
    "\u202e7",
    "7\u200b",
    "٧",
    "𝟕𝟖",
    "\N{FULLWIDTH DIGIT SEVEN}\N{COMBINING ENCLOSING CIRCLE}",
    "\\",
    "{}",
    "",
    "\n" * 1000,
)
"""Every plane of Unicode, null bytes, lone surrogates."""

ALL = SLOW + HEAVY + LONG + STRANGE
