"""A thousand accounts whose owners are known: nobody is taken for somebody else, and whoever can be found is found."""

from collections import Counter
from collections.abc import Mapping

import pytest

from app.domain.facts import Role
from app.domain.ids import IdShape, UserId
from app.migration.accounts import account_of
from app.migration.identities import Person, identity_of
from app.migration.matching import Directory, Match, Result, settled
from tests.migration.planted_district import ACCOUNTS, Planted, Written, planted


def matches(district: Planted) -> Mapping[str, Match]:
    """Match the accounts as the command does, in rows with other cases and blanks than Clever has."""
    directory = Directory(
        Person(UserId(held.user), held.legacy_id, identity_of(Role(held.role), held.known)) for held in district.held
    )
    accounts = [account_of(_row(account), IdShape().fits).account for account in district.accounts]
    found = settled([(account.identity.role, directory.match(account)) for account in accounts])
    return {account.id: match for account, match in zip(district.accounts, found, strict=True)}


def _row(account: Written) -> Mapping[str, str]:
    fields = dict(account.fields)
    first, _, last = fields.pop("name", "").partition(" ")
    return {
        "account_id": account.id,
        "role": "school_admin" if account.role == "staff" else account.role.title(),
        "clever_id": account.clever_id,
        **fields,
        "email": f" {fields.get('email', '').upper()} ",
        "first_name": first,
        "last_name": last.upper(),
    }


@pytest.mark.parametrize("seed", [14, 2026])
def test_nobody_is_taken_for_somebody_else_and_whoever_can_be_found_is_found(seed: int) -> None:
    district = planted(seed)
    found = matches(district)
    assert len(found) == ACCOUNTS
    of = {account.id: account for account in district.accounts}
    assert {each: match for each, match in found.items() if match.user not in {None, of[each].user}} == {}
    matchable = [account.id for account in district.accounts if district.is_matchable(account)]
    missed = [each for each in matchable if found[each].result is not Result.MATCHED]
    assert len(missed) <= 0.01 * len(matchable), Counter(found[each].reason for each in missed)
    ambiguous = [account.id for account in district.accounts if district.is_ambiguous(account)]
    assert {each: found[each] for each in ambiguous if found[each].result is not Result.AMBIGUOUS} == {}
    # Of each kind there are enough to be of any weight.
    assert len(matchable) > 850
    assert len(ambiguous) > 15
    assert sum(account.user is None for account in district.accounts) > 25
