"""Conversion of units, exact: each unit is a fraction of its dimension's base, as its definition says.

Factors follow the International System of Units (BIPM, 9th edition) and NIST Special Publication 811.
"""

from __future__ import annotations

from decimal import Decimal, localcontext
from fractions import Fraction
from typing import NamedTuple

from bridle.errors import ToolError
from bridle.tool import tool
from bridle.toolbox.calculator import exact, show


class Unit(NamedTuple):
    """`value * factor + offset` is the measure in the base unit of its dimension."""

    dimension: str
    factor: Fraction
    offset: Fraction = Fraction(0)


_TABLE = {
    "length": """
        m meter metre:1, km kilometer kilometre:1000, cm centimeter centimetre:0.01, mm millimeter millimetre:0.001,
        um micrometer:0.000001, nm nanometer:0.000000001, in inch inche:0.0254, ft foot feet:0.3048, yd yard:0.9144,
        mi mile:1609.344, nmi nautical_mile:1852""",
    "mass": """
        kg kilogram kilo:1, g gram:0.001, mg milligram:0.000001, t tonne ton:1000, lb lbs pound:0.45359237,
        oz ounce:0.028349523125, st stone:6.35029318""",
    "volume": """
        l liter litre:1, ml milliliter millilitre:0.001, cl centiliter:0.01, dl deciliter:0.1, m3 cubic_meter:1000,
        gal gallon:3.785411784, qt quart:0.946352946, pt pint:0.473176473, cup:0.2365882365,
        fl_oz fluid_ounce:0.0295735295625, tbsp tablespoon:0.01478676478125, tsp teaspoon:0.00492892159375""",
    "time": "s sec second:1, ms millisecond:0.001, min minute:60, h hr hour:3600, d day:86400, week:604800",
    "area": """
        m2 square_meter:1, km2 square_kilometer:1000000, ha hectare:10000, acre:4046.8564224,
        ft2 square_foot square_feet:0.09290304""",
    "speed": "m/s mps:1, km/h kmh kph:1000/3600, mph miles_per_hour:0.44704, kn knot:1852/3600",
    "energy": """
        j joule:1, kj kilojoule:1000, cal calorie:4.184, kcal kilocalorie:4184, wh watt_hour:3600,
        kwh kilowatt_hour:3600000""",
    "data": """
        b byte:1, kb kilobyte:1000, mb megabyte:1000000, gb gigabyte:1000000000, tb terabyte:1000000000000,
        kib kibibyte:1024, mib mebibyte:1048576, gib gibibyte:1073741824, bit:0.125""",
    "pressure": "pa pascal:1, kpa kilopascal:1000, bar:100000, psi:6894.757293168, atm atmosphere:101325",
}


def _read_table() -> dict[str, Unit]:
    units: dict[str, Unit] = {}
    for dimension, line in _TABLE.items():
        for entry in line.split(","):
            names, _, factor = entry.strip().partition(":")
            top, _, bottom = factor.partition("/")
            unit = Unit(dimension, Fraction(Decimal(top)) / Fraction(Decimal(bottom or "1")))
            units |= dict.fromkeys(names.split(), unit)
    kelvin, ninth = Fraction("273.15"), Fraction(5, 9)
    units |= dict.fromkeys(["k", "kelvin"], Unit("temperature", Fraction(1)))
    units |= dict.fromkeys(["c", "°c", "celsius", "degree_celsius"], Unit("temperature", Fraction(1), kelvin))
    fahrenheit = Unit("temperature", ninth, kelvin - 32 * ninth)
    return units | dict.fromkeys(["f", "°f", "fahrenheit", "degree_fahrenheit"], fahrenheit)


_CASED = {
    **{f"{prefix}b": Unit("data", Fraction(10**power, 8)) for prefix, power in zip("MGT", (6, 9, 12), strict=True)},
    "Mg": Unit("mass", Fraction(1000)),
    "Cal": Unit("energy", Fraction(4184)),
}
"""What is another unit in other cases: a megabit, a tonne, the calorie of food."""
UNITS = _read_table()
"""Every unit by each of its names, in the singular and lower case."""


@tool(effect="pure")
def convert_units(value: float, from_unit: str, to_unit: str) -> str:
    """Convert a measure to another unit."""
    source, target = find_unit(from_unit), find_unit(to_unit)
    if source.dimension != target.dimension:
        raise ToolError(f"{from_unit} is a unit of {source.dimension}, {to_unit} of {target.dimension}")
    try:
        amount = exact(repr(value))
    except ValueError as error:
        raise ToolError(str(error)) from None
    if source.dimension == "temperature" and amount * source.factor + source.offset < 0:
        raise ToolError(f"nothing is as cold as {show(amount)} {from_unit}")
    result = (amount * source.factor + source.offset - target.offset) / target.factor
    return f"{show(amount)} {from_unit} = {_short(result)} {to_unit}"


def find_unit(name: str) -> Unit:
    """A unit by name, in singular or plural; in any case, but where that makes another unit.

    Raises:
        ToolError: there is none.
    """
    plain = name.strip().casefold().rstrip(".").replace(" ", "_").replace("²", "2").replace("³", "3")
    if name.strip() in _CASED:
        return _CASED[name.strip()]
    for spelling in (plain, plain.removesuffix("s"), plain.removesuffix("es"), plain.replace("degrees_", "degree_")):
        if spelling in UNITS and (spelling == plain or len(spelling) > 1):
            return UNITS[spelling]
    raise ToolError(f"no unit is called '{name}'")


def _short(value: Fraction) -> str:
    """Ten significant digits are more than any measure has."""
    with localcontext() as context:
        context.prec = 10
        return format((Decimal(value.numerator) / Decimal(value.denominator)).normalize(), "f")
