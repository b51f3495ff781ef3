"""What .ci/schemathesis does to the requests that it makes."""
from itertools import count

import schemathesis

SENT = count()


@schemathesis.hook
def before_call(context, case, kwargs):
    """Keys of valid requests are made new ones: one that was sent with another request is refused."""
    if case.meta is None or not case.meta.generation.mode.is_positive:
        return
    key = (case.headers or {}).get("Idempotency-Key")
    if isinstance(key, str) and 0 < len(key) < 200 and key.isalnum() and key.isascii():
        case.headers["Idempotency-Key"] = f"{key}-{next(SENT)}"
