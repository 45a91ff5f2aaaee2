"""Words of the answer language: Unicode signs, function names, units; data only."""

UNICODE = {
    "−": "-", "–": "-", "—": "-", "‐": "-", "‑": "-", "⁻": "-", "×": r"\times ", "·": r"\cdot ", "⋅": r"\cdot ",
    "∙": r"\cdot ", "∗": "*", "÷": "/", "∕": "/", "⁄": "/", "≤": r"\le ", "⩽": r"\le ", "≥": r"\ge ",
    "⩾": r"\ge ", "≠": r"\ne ", "≈": r"\approx ", "≡": r"\equiv ", "∈": r"\in ", "∪": r"\cup ", "∩": r"\cap ",
    "∖": r"\setminus ", "±": r"\pm ", "∓": r"\mp ", "∞": r"\infty ", "√": r"\sqrt ", "∅": r"\emptyset ",
    "°": r"^{\circ}", "º": r"^{\circ}", "′": "'", "’": "'", "″": "''", "π": r"\pi ", "ℝ": r"\mathbb{R}",
    "ℤ": r"\mathbb{Z}", "ℕ": r"\mathbb{N}", "ℚ": r"\mathbb{Q}", "ℂ": r"\mathbb{C}", "∑": r"\sum ", "∏": r"\prod ",
    "∫": r"\int ", "→": r"\to ", "⇒": r"\Rightarrow ", "⌊": r"\lfloor ", "⌋": r"\rfloor ", "⌈": r"\lceil ",
    "⌉": r"\rceil ", "½": r"\frac{1}{2}", "⅓": r"\frac{1}{3}", "⅔": r"\frac{2}{3}", "¼": r"\frac{1}{4}",
    "¾": r"\frac{3}{4}", "⅕": r"\frac{1}{5}", "⅖": r"\frac{2}{5}", "⅗": r"\frac{3}{5}", "⅘": r"\frac{4}{5}",
    "⅙": r"\frac{1}{6}", "⅚": r"\frac{5}{6}", "⅛": r"\frac{1}{8}", "⅜": r"\frac{3}{8}", "⅝": r"\frac{5}{8}",
    "⅞": r"\frac{7}{8}", "％": r"\%", "\u00a0": " ", "\u2009": " ", "\u202f": " ", "\u200b": "", "\ufeff": "",
    "\u2061": "", "\u2062": "", "、": ",", "，": ",", "；": ";", "：": ":", "（": "(", "）": ")", "。": ". ",
    "“": '"', "”": '"', "‘": "'", "…": r"\dots ", "€": " ", "£": " ", "¥": " ", "₹": " ", "₽": " ", "₩": " ", "¢": " ",
}  # fmt: skip
"""Signs that have one LaTeX spelling."""

GREEK = [
    "alpha", "beta", "gamma", "delta", "epsilon", "varepsilon", "zeta", "eta", "theta", "vartheta", "iota", "kappa",
    "lambda", "mu", "nu", "xi", "omicron", "rho", "sigma", "tau", "upsilon", "phi", "varphi", "chi", "psi", "omega",
    "Gamma", "Delta", "Theta", "Lambda", "Xi", "Pi", "Sigma", "Upsilon", "Phi", "Psi", "Omega", "ell", "hbar",
]  # fmt: skip
"""Letters by name; `pi` is a constant and not among them."""

GREEK_LETTERS = dict(
    zip("αβγδεζηθικλμνξορστυφχψωΓΔΘΛΞΠΣΦΨΩ",
        [
    "alpha", "beta", "gamma", "delta", "epsilon", "zeta", "eta", "theta", "iota", "kappa", "lambda", "mu", "nu",
    "xi", "omicron", "rho", "sigma", "tau", "upsilon", "phi", "chi", "psi", "omega", "Gamma", "Delta", "Theta",
    "Lambda", "Xi", "Pi", "Sigma", "Phi", "Psi", "Omega",
], strict=True)
)  # fmt: skip

SUPERSCRIPTS = dict(zip("⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻ⁿⁱ", "0123456789+-ni", strict=True))
SUBSCRIPTS = dict(zip("₀₁₂₃₄₅₆₇₈₉", "0123456789", strict=True))

FUNCTIONS = {
    "sin": "sin", "cos": "cos", "tan": "tan", "cot": "cot", "sec": "sec", "csc": "csc", "arcsin": "asin",
    "arccos": "acos", "arctan": "atan", "arccot": "acot", "arcsec": "asec", "arccsc": "acsc", "asin": "asin",
    "acos": "acos", "atan": "atan", "sinh": "sinh", "cosh": "cosh", "tanh": "tanh", "coth": "coth",
    "arcsinh": "asinh", "arccosh": "acosh", "arctanh": "atanh", "arsinh": "asinh", "arcosh": "acosh",
    "artanh": "atanh", "asinh": "asinh", "acosh": "acosh", "atanh": "atanh", "log": "log", "ln": "log", "lg": "lg",
    "exp": "exp", "sqrt": "sqrt", "cbrt": "cbrt", "abs": "abs", "floor": "floor", "ceil": "ceil",
    "ceiling": "ceil",
    "Abs": "abs", "max": "max",
    "min": "min", "gcd": "gcd", "lcm": "lcm", "det": "det", "Re": "re", "Im": "im", "re": "re", "sgn": "sign",
    "sign": "sign", "arg": "arg", "tr": "tr", "erf": "erf", "binom": "binom", "binomial": "binom",
    "factorial": "factorial",
}  # fmt: skip
"""Spelling without a backslash or with one, and our name."""

INVERSE = {"sin": "asin", "cos": "acos", "tan": "atan", "sinh": "asinh", "cosh": "acosh", "tanh": "atanh"}
"""`\\sin^{-1}` is the inverse function, not the reciprocal."""

RELATIONS = {
    "=": "=", "<": "<", ">": ">", "le": "<=", "leq": "<=", "leqslant": "<=", "ge": ">=", "geq": ">=",
    "geqslant": ">=", "lt": "<", "gt": ">", "ne": "!=", "neq": "!=", "approx": "~", "approxeq": "~", "simeq": "~",
    "doteq": "~", "in": "in", "equiv": "==", "cong": "==", "to": "->", "rightarrow": "->", "mapsto": "->",
    "implies": "=>", "Rightarrow": "=>", "Longrightarrow": "=>", "longrightarrow": "->", "subset": "sub",
    "subseteq": "sub", "notin": "notin", "iff": "<=>", "Leftrightarrow": "<=>",
}  # fmt: skip

_UNIT_NAMES = {
    "mm": "mm millimeter millimetre", "cm": "cm centimeter centimetre", "m": "meter metre",
    "km": "km kilometer kilometre", "nm": "nm nanometer nanometre", "um": "micrometer micron", "inch": "inch inches",
    "ft": "ft foot feet", "yd": "yd yard", "mi": "mi mile", "mg": "mg milligram", "g": "gram gm gms",
    "kg": "kg kilogram", "lb": "lb lbs pound", "oz": "oz ounce", "ton": "ton tonne", "ms": "ms millisecond",
    "s": "sec second secs", "min": "minute mins", "h": "hr hrs hour", "day": "day", "week": "week", "month": "month",
    "year": "year yr yrs", "ml": "ml mL milliliter millilitre", "l": "liter litre", "gal": "gallon gal",
    "dollar": "dollar USD usd", "cent": "cent", "euro": "euro EUR", "pound sterling": "GBP", "rupee": "rupee INR",
    "degree": "degree deg", "radian": "radian rad", "degC": "celsius", "degF": "fahrenheit", "K": "kelvin",
    "mph": "mph", "km/h": "kmh kph kmph", "N": "newton", "J": "joule", "kJ": "kJ", "W": "watt", "kW": "kW",
    "V": "volt", "A": "ampere amp", "Hz": "Hz hertz", "kHz": "kHz", "MHz": "MHz", "Pa": "Pa pascal", "kPa": "kPa",
    "mol": "mol mole", "cal": "calorie", "kcal": "kcal", "eV": "eV", "MeV": "MeV", "ohm": "ohm", "dB": "dB",
    "acre": "acre", "unit": "unit", "person": "person people", "student": "student", "way": "way",
    "time": "times", "piece": "piece pcs", "angstrom": "angstrom", "erg": "erg ergs", "au": "AU", "pc": "pc parsec",
    "pm": "p.m. p.m pm", "am": "a.m. a.m am", "square": "sq square", "cubic": "cubic cu",
}  # fmt: skip

UNITS = {
    spelling: unit
    for unit, spellings in _UNIT_NAMES.items()
    for word in spellings.split()
    for spelling in ((word, word + "s") if len(word) > 2 and word[-1] != "s" else (word,))
}
"""Spelling of a unit in plain letters, and its canonical name; a plural has the same name."""

UNITLESS = {"unit", "person", "student", "way", "time", "piece"}
"""Names of counted things: they never contradict another unit."""

SINGLE_LETTER_UNITS = frozenset("mgshLlNJKWVACFT")
"""Letters that an answer to a purely numeric gold may carry as its unit."""

HEDGES = frozenset(
    [
    "or", "also", "alternatively", "maybe", "perhaps", "possibly", "either", "otherwise", "else", "not", "neither",
    "nor",
]
)  # fmt: skip
"""Words that make a statement of several values, or take one back."""

FILLERS = frozenset(
    [
    "the", "final", "answer", "is", "are", "was", "a", "an", "approximately", "about", "around", "roughly",
    "exactly", "equals", "equal", "to", "total", "of", "value", "therefore", "thus", "hence", "so", "result",
    "solution", "then", "we", "get", "it", "be", "just", "now",
]
)  # fmt: skip
"""Words that may stand before a value without changing it."""

NUMBER_WORDS = {
    "zero": 0, "one": 1, "two": 2, "three": 3, "four": 4, "five": 5, "six": 6, "seven": 7, "eight": 8, "nine": 9,
    "ten": 10, "eleven": 11, "twelve": 12, "thirteen": 13, "fourteen": 14, "fifteen": 15, "sixteen": 16,
    "seventeen": 17, "eighteen": 18, "nineteen": 19, "twenty": 20,
}  # fmt: skip
"""Whole numbers in words."""
