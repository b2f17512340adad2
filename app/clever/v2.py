"""API 2.0 and 2.1: accounts, with sections, schools, terms and the district itself as in API 3.x."""

from functools import partial
from typing import Final

from app.clever import places
from app.clever.older import OlderFamily

V2_0: Final = OlderFamily(partial(places.read_calendar, terms_name_district=False))
V2_1: Final = OlderFamily(places.read_calendar)
