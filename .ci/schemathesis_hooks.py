"""What .ci/schemathesis does to the requests that it makes, and asks of answers besides what it knows."""
import json
import os
import re
from itertools import count

import schemathesis

SENT = count()

# The tokens that requests are made with, by their ids and as they are sent.
OWN_IDS = os.environ["OWN_TOKENS"].split()
OWN = {f"Bearer {os.environ[name]}" for name in ("FLAGS_BOOTSTRAP_ADMIN_TOKEN", "FLAGS_BOOTSTRAP_SDK_TOKEN")}

# Why a body that has its schema may be refused with 422: the code, where in the body, of which
# operations, and what JSON Schema does not say. Whatever else is refused has a schema that says too
# little. Docs/protocol.md ("The API as a document") promises this list.
ANYWHERE = ANY_OPERATION = ""
REFUSED = [
    # What the body names has to be there.
    ("not_found", ANYWHERE, ANY_OPERATION, "a place that a body names"),
    ("unknown_flag", ANYWHERE, ANY_OPERATION, "a prerequisite"),
    ("unknown_segment", ANYWHERE, ANY_OPERATION, "a condition"),
    ("unknown_feature", ANYWHERE, ANY_OPERATION, "what is granted, required, or excepted"),
    ("unknown_option", ANYWHERE, ANY_OPERATION, "the feature says which ones it has"),
    ("unknown_plan", "/plan$", ANY_OPERATION, "of a contract, or of a fallback"),
    ("unknown_version", "/(plan_version|from_version|version)$", ANY_OPERATION, "the plan says which ones it has"),
    ("unknown_addon", "/addon$", ANY_OPERATION, "of a contract"),
    ("unknown_tenant", "^/tenants/[0-9]+$", "_plan_move$", "those that are stored"),
    ("not_on_plan", "^/tenants/[0-9]+$", "_plan_move$", "what they have"),
    ("unknown_variant", ANYWHERE, ANY_OPERATION, "the flag says which ones it has"),
    ("unknown_revision", "/revision$", ANY_OPERATION, "one that has been, or will be"),
    ("variant_in_use", "^/variants$", "_project_flag$", "another flag needs it"),
    # What is there says what can be.
    ("version_mismatch", "/(version|if_version)$", ANY_OPERATION, "the present one is another"),
    ("immutable", "/(key|type|kind)$", ANY_OPERATION, "what it is already"),
    ("immutable", "/(id|created_at)$", "_tenant_override$", "what it is already"),
    ("immutable", "/plan_since$", "_tenant$", "the server says it"),
    ("immutable", "/(versions(/[0-9]+)?|version)$", "_plan|_import$|_revert$", "versions of a plan never change"),
    ("unknown_field", "^/(actor|created_at)$", "^put_environment_tenant_override$", "said of what is there"),
    ("wrong_type", "/grants/[^/]+(/[0-9]+)?$", ANY_OPERATION, "the feature has a type"),
    ("wrong_type", "/value(/[0-9]+)?$", "_override|_import$|_repair$", "the feature has a type"),
    ("wrong_mode", "/mode$", "_override|_import$|_repair$", "the feature has a type"),
    ("overlap", "^(/tenants/[0-9]+/overrides/[0-9]+)?$", "_override|_import$", "another one sets the same"),
    ("overlap", "^/tenants/[0-9]+$", "_repair$", "another one of the tenant sets the same"),
    ("limit_exceeded", "^/tenants/[0-9]+$", "_repair$", "of what the tenant has"),
    ("requires_nothing", "^/flag$", "_repair$", "the flag says what it requires"),
    ("missing_field", "^$", "^put_environment_plan$", "the versions of a new one"),
    ("wrong_combine", "^/combine$", "^patch_environment_feature$", "the type that is there"),
    ("missing_field", "^/options$", "^patch_environment_feature$", "the type that is there"),
    ("not_options", "^/options$", "^patch_environment_feature$", "the type that is there"),
    ("not_a_limit", "^/over_limit$", "^patch_environment_feature$", "the type that is there"),
    ("different", "/variants$", "_import$", "variants belong to all environments"),
    ("key_conflict", "/key$", "_import$", "one is there that is too like it"),
    ("key_conflict", "^(/[a-z]+/[0-9]+)?$", "_copy$|_import$", "one is there that is too like it"),
    ("archived", "/key$", "_import$", "it has to be restored first"),
    ("wrong_type", "/variants/[0-9]+/value$", "_project_flag$", "the flag has a type already"),
    ("unknown_field", "^/(off_variant|fallthrough)$", "^put_project_flag$", "said of what is new"),
    ("missing_field", "^$", "_project_flag$", "what boolean flags may leave out"),
    ("missing_field", "(^|/body|/rollout)$", "rollout|schedule|preview", "`by`, where there is no split"),
    ("off_variant", "/variant$", "rollout|schedule|preview", "everybody else gets that one"),
    ("not_a_limit", "^$", "_(seat|usage)$", "the type of the path's feature"),
    ("same_environment", "^/from$", "_copy$", "the one of the path"),
    ("cycle", ANYWHERE, ANY_OPERATION, "flags that need each other"),
    ("limit_exceeded", "/prerequisites(/[0-9]+/flag)?$", ANY_OPERATION, "flags that need each other"),
    ("idempotency_key_reused", "^$", ANY_OPERATION, "sent with another request before"),
    # How much there may be.
    ("limit_exceeded", "(^|/body|/state)$", ANY_OPERATION, "of everything that is there, or of a whole body"),
    ("limit_exceeded", "/(included|excluded)(/(add|remove))?$", ANY_OPERATION, "of all lists together"),
    ("too_many", "/(rules|when|values)(/|$)", ANY_OPERATION, "conditions and searches of a whole object"),
    ("too_many", "/attributes$", "^patch_environment_tenant$", "with those that are there"),
    ("too_large", "/attributes$", ANY_OPERATION, "names and texts together, in bytes"),
    ("too_deep", ANYWHERE, ANY_OPERATION, "groups within groups"),
    ("crowded", ANYWHERE, ANY_OPERATION, "texts with one hash"),
    # What the clock says.
    ("in_the_past", "/(at|expires_at)$", ANY_OPERATION, "the present time"),
    ("too_far", "/at$", ANY_OPERATION, "the present time"),
    ("in_the_future", "/at$", "_usage$", "the present time"),
    # What several members say together.
    ("missing_field", "^(/tenants/[0-9]+)?$", "_tenants?$|_import$", "`plan` and `plan_version`, together"),
    ("missing_field", "^(/tenants/[0-9]+)?/subscription$", ANY_OPERATION, "what a state comes with"),
    ("wrong_state", "^(/tenants/[0-9]+)?/subscription$", ANY_OPERATION, "what a state comes with"),
    ("missing_field", "^(/tenants/[0-9]+/overrides/[0-9]+)?$", "_override|_import$", "`end` or `review_at`"),
    ("missing_field", "^/override$", "_repair$", "`end` or `review_at`"),
    ("duplicate", ANYWHERE, ANY_OPERATION, "members of lists whose keys or names are the same"),
    ("weights_total", "/weights$", ANY_OPERATION, "a sum"),
    ("missing_field", "/fallthrough/split/weights/[0-9]+$", ANY_OPERATION, "no next rule after the fallthrough"),
    ("out_of_range", "/(values|from|end)$", ANY_OPERATION, "the first is at most the second"),
    ("permanent", "^/(flags/[0-9]+/)?expiry$", ANY_OPERATION, "what is permanent does not end"),
    ("wrong_kind", "/attribute$", ANY_OPERATION, "the kind of the segment"),
    ("nested_segment", "/segment$", ANY_OPERATION, "conditions of flags may, those of segments not"),
    # What is not exact in JSON Schema.
    ("out_of_range", "/percent$", ANY_OPERATION, "three decimals"),
    # Languages of their own.
    ("invalid_pattern", "/values/[0-9]+$", ANY_OPERATION, "regular expressions"),
    ("pattern_too_large", "/values/[0-9]+$", ANY_OPERATION, "regular expressions"),
    ("invalid_network", "/values/[0-9]+$", ANY_OPERATION, "networks"),
]


@schemathesis.hook
def before_call(context, case, kwargs):
    """The own tokens are neither revoked nor rotated: nothing would be tested from then on. Keys of valid
    requests are made new ones: one that was sent with another request is refused."""
    if (case.path_parameters or {}).get("id") in OWN_IDS and case.method != "GET":
        case.path_parameters["id"] = "f" * 32
    if not is_valid(case):
        return
    key = (case.headers or {}).get("Idempotency-Key")
    if isinstance(key, str) and 0 < len(key) < 200 and key.isalnum() and key.isascii():
        case.headers["Idempotency-Key"] = f"{key}-{next(SENT)}"


@schemathesis.check
def own_tokens_are_valid(ctx, response, case):
    """The run has not locked itself out."""
    sent = response.request.headers.get("Authorization")
    assert response.status_code != 401 or sent not in OWN, "an own token opens nothing any more"


@schemathesis.check
def refused_for_what_the_schema_cannot_say(ctx, response, case):
    """A body that has its schema is not refused for its form."""
    if response.status_code != 422 or not is_valid(case):
        return
    problem = response.json()
    operation = case.operation.definition.raw.get("operationId", "")
    for error in problem.get("errors") or [{"code": problem["code"], "pointer": ""}]:
        code, pointer = error["code"], error["pointer"]
        said = any(
            code == known and re.search(place, pointer) and re.search(operations, operation)
            for known, place, operations, _ in REFUSED
        )
        if not said and not is_inexact(value_at(case.body, pointer)):
            raise AssertionError(f"the schema lets it through: {json.dumps(error)}")


def is_valid(case):
    return case.meta is not None and case.meta.generation.mode.is_positive


def value_at(body, pointer):
    """The value to which a JSON pointer leads, if there is one."""
    for token in pointer.split("/")[1:]:
        token = token.replace("~1", "/").replace("~0", "~")
        if isinstance(body, dict):
            body = body.get(token)
        elif isinstance(body, list) and token.isdecimal() and int(token) < len(body):
            body = body[int(token)]
        else:
            return None
    return body


def is_inexact(value):
    """Lengths are checked in bytes; `1.0` is no integer, and large integers are no floats."""
    if isinstance(value, str):
        return not value.isascii() and len(value.encode(errors="surrogatepass")) > 64
    if isinstance(value, float):
        return value.is_integer()
    return isinstance(value, int) and not isinstance(value, bool) and abs(value) > 2**53
