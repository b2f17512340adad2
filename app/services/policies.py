"""From the text of a policy file to a policy, with the line of every mistake."""

from app.domain.policy import Policy, policy_of
from app.domain.policy_file import PolicyFile
from app.services.checked_yaml import made_of


def read_policy(text: str) -> Policy:
    """Read a policy from the YAML 1.2 of its file.

    Raises:
        PolicyMistakes: the file cannot be used; every mistake has its path, and its line where one can be told.
    """
    return made_of(text, lambda written: policy_of(PolicyFile.model_validate(written)))
