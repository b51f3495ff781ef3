//! What members mean whose names mean the same wherever they are. Who means something else, or more,
//! says so where it is declared: by [`Field::says`](flags_core::Field::says), or by a comment on the
//! field of an answer.

use serde_json::{Map, Value};

/// A name, or the name of a schema and one of its members; sorted, and in which code stands between
/// backticks.
const GLOSSARY: &[(&str, &str)] = &[
    ("Actor.id", "The id of their token; `server` and `operator` are nobody's."),
    ("Actor.name", "What the token was called then."),
    ("Addon.grants", "What one of it grants, by the features' keys."),
    ("EnvironmentLimits.rules_per_flag", "Rules that one flag may have."),
    ("ErasedFrom.flags", "Keys of flags that named it."),
    ("ErasedFrom.segments", "Keys of segments that named it."),
    ("Override.version", "The revision that last changed it: its `ETag`."),
    ("Plan.versions", "In the order of their numbers; none of them ever changes."),
    ("PreviewPage.items", "What each tenant would get."),
    ("Segment.excluded", "Keys that are not in it; left out where there are more than 1,000."),
    ("Segment.included", "Keys that are in it; left out where there are more than 1,000."),
    ("access", "What the tenant may do."),
    ("action", "What was done, such as `flag_state.off`."),
    ("actor", "Who did it."),
    ("added", "How many keys came."),
    ("addon", "The key of an add-on."),
    ("addons", "Add-ons."),
    ("admin_requests_per_minute", "Requests of each token to the admin API, in a minute."),
    ("after_grace", "What is left once an unpaid invoice has been waited for."),
    ("answers", "One for each flag, sorted by key."),
    ("app", "The program that it is in; `null` where it does not say."),
    ("applied", "What is in force there."),
    ("archived_at", "Since when it is archived; `null` while it is not."),
    ("at", "When."),
    ("attribute", "A kind and a name, such as `tenant.country`."),
    (
        "attributes",
        "What is known of the tenant: names with booleans, numbers, strings or lists of strings.",
    ),
    ("below", "Above the buckets that get it."),
    ("blocks", "What takes access away."),
    ("body_bytes", "The bytes of a body."),
    ("bucket", "The lot that was drawn, from 0 to 99,999."),
    ("bulk_body_bytes", "The bytes of a body on routes that take many things at once."),
    ("by", "The unit that is drawn for."),
    ("change", "What is to be done."),
    ("changed", "For how many tenants the answer would be another one."),
    ("combine", "How grants of several plans and add-ons become one."),
    ("connected", "Instances that have a stream open."),
    ("connected_since", "Since when its stream is open."),
    ("created", "How many are new."),
    ("created_at", "When it was created."),
    ("decision", "What holds then."),
    ("definition", "What SDKs evaluate."),
    ("definition_bytes", "The bytes of one definition."),
    ("delay_ms", "How long it took to arrive, in milliseconds."),
    ("dependent", "Tenants whose answer depends on more than the tenant."),
    ("description", "What it is for."),
    ("diff", "The places that differ."),
    ("dry_run", "Whether nothing was done."),
    ("ended_at", "When it was done, failed or was cancelled."),
    ("entitlement", "Why the tenant is entitled to it, or not."),
    ("environment", "The key of an environment."),
    (
        "environment_bytes",
        "The bytes of all definitions, without keys of segments and without tenants.",
    ),
    ("environments", "Where something was found."),
    ("epoch", "Which history it is: another one after a restore."),
    ("examples", "Some of them."),
    ("excluded", "Keys that are not in it, whatever else says that they are."),
    ("expires_at", "From when on it opens nothing; `null` is never."),
    ("expiry", "When it should be gone, in RFC 3339."),
    (
        "failed_authentications_per_minute",
        "Requests of each address without a valid token, in a minute.",
    ),
    ("fallback", "What holds after the end of a contract; nothing where it is `null`."),
    ("fallthrough", "What everybody gets for whom nothing else is said."),
    ("feature", "The key of a feature."),
    ("features", "Features."),
    ("flag", "The key of the flag."),
    ("flags", "Flags."),
    ("format", "The form of the document; there is one."),
    ("found", "What was there, as JSON."),
    ("from", "What it was, or is now."),
    ("further", "How many more values there are than are shown."),
    ("grace_ms", "How long it is waited, in milliseconds."),
    ("grants", "What is granted, by the features' keys."),
    ("id", "Its id."),
    ("if_version", "Only if the object has this version then."),
    ("ignore_case", "Whether upper and lower case are the same."),
    ("imported_tenants", "Tenants in one import."),
    ("included", "Keys that are in it."),
    ("instance", "The name that it made up at its start."),
    ("instances", "Each of them."),
    ("items", "What there is."),
    ("kept", "What is left as it is, and why."),
    ("key", "Its key."),
    ("kind", "What kind of thing it is."),
    ("last_seen", "When it last said something, or had a stream open."),
    ("last_used_at", "When it was last used."),
    ("limits", "How much there may be."),
    ("max", "The longest."),
    ("member_counts", "How many keys it has."),
    ("members_per_request", "Keys of segments that one request adds and removes."),
    ("mode", "What an override does."),
    ("name", "What people call it."),
    ("next_cursor", "Names the next page, while there is one."),
    ("object", "What it was done to."),
    ("objects", "What is touched."),
    ("objects_count", "How many are touched; not all of them need be shown."),
    ("off_variant", "The variant that is served while the flag is off."),
    ("on", "Whether the flag is on; off, it serves `off_variant` to everybody."),
    ("op", "How it was compared."),
    ("options", "What can be granted of it, in the order that values have."),
    ("outcome", "What came out."),
    ("over_limit", "What happens to those who use more than the limit."),
    ("overlap_ends_at", "Until when the secret of before works; `null` where there is none."),
    ("override", "The id of an override."),
    ("overrides_per_tenant", "Overrides of one tenant."),
    ("owner", "Who answers for it."),
    ("p50", "Half of them were as fast."),
    ("p99", "99 of 100 were as fast."),
    ("pending", "Instances that do not have it yet."),
    ("permanent", "Whether it is to stay, and is not a release's alone."),
    ("plan", "The key of a plan."),
    ("plan_since", "Since when the tenant has this version of this plan."),
    ("plan_versions", "Versions of one plan."),
    ("plans", "Plans."),
    ("policy", "What is left of the access to who is over the limit."),
    (
        "prerequisites",
        "Other flags that have to serve certain variants; or else `off_variant` is served.",
    ),
    ("present", "The present revision."),
    ("priority", "Decides between grants of JSON: the highest."),
    ("project", "The key of a project."),
    ("reason", "Why."),
    ("removed", "How many keys went."),
    ("request_id", "Of the request, or `schedule/` and the id of a scheduled change."),
    ("review_at", "When it is to be looked at again; `null` where that is at its end."),
    ("revision", "Which revision of the environment it is of, or made."),
    ("revisions", "The revision that it made in each environment."),
    ("revoked_at", "When it was revoked; `null` while it is not."),
    ("role", "What it may."),
    ("rules", "Asked in their order; the first that matches decides."),
    (
        "salt",
        "What buckets are drawn with; the flag's key where there is none. Another salt draws all lots anew.",
    ),
    ("schedule", "The id of the scheduled change that made it."),
    ("scheduled", "Scheduled changes that are open."),
    ("scheduled_bytes", "The bytes of their bodies."),
    ("sdk", "What it speaks with."),
    ("sdk_requests_per_minute", "Requests of each token to the SDK protocol, in a minute."),
    ("segment_member_bytes", "The bytes of all keys of segments."),
    ("segment_members", "Keys of all segments."),
    ("segments", "Segments."),
    ("serves", "The variant that it serves."),
    ("split", "The lot that was drawn, where one was."),
    ("state", "How it stands."),
    ("status", "How it is; in a problem, the status of the answer."),
    ("step", "What was asked."),
    ("steps", "What was asked on the way, in order."),
    ("stored", "Whether it is what is stored of the tenant."),
    ("streams_per_token", "Streams of one token that are open."),
    ("summary", "What changed, in a sentence."),
    ("tags", "Words to find it by."),
    ("targets", "Who gets a variant by name, before any rule."),
    ("tenant", "The key of the tenant."),
    ("tenant_bytes", "The bytes of all stored tenants."),
    ("tenants", "Stored tenants, or how many."),
    ("tenants_per_request", "Tenants that one request stores."),
    ("text", "The same in words."),
    ("timeline", "What holds when: intervals that cover all of time."),
    ("title", "What the status means."),
    ("to", "What it would be, or is since."),
    ("transitions", "From which variant to which, for how many."),
    ("type", "What its values are."),
    ("unchanged", "How many stay as they are."),
    ("unidentified", "Streams that do not say which instance they are of."),
    ("updated", "How many are otherwise than before."),
    ("values", "With what it was compared."),
    ("variant", "The name of the variant."),
    ("variants", "What it can give."),
    ("version", "Which version it is: its `ETag`."),
    ("versions", "Its versions."),
    ("warnings", "What makes it without effect, such as `flag_off`."),
    ("when", "A condition: whoever meets it is in it."),
    ("why", "Why."),
    ("window_ms", "Over how many milliseconds receipts are to be spread."),
    ("write", "Whether to read is not enough."),
];

fn meaning(name: &str) -> Option<&'static str> {
    let found = GLOSSARY.binary_search_by_key(&name, |(name, _)| name).ok()?;
    GLOSSARY.get(found).map(|(_, meaning)| *meaning)
}

/// Says of each member of a schema what it means, where that is not said.
pub(crate) fn explain(named: &str, schema: &mut Value) {
    match schema {
        Value::Object(members) => {
            if let Some(Value::Object(properties)) = members.get_mut("properties") {
                describe(named, properties);
            }
            // What is asked of a value is no place for words.
            let inner = members.iter_mut().filter(|(name, _)| *name != "if");
            inner.for_each(|(_, inner)| explain(named, inner));
        }
        Value::Array(items) => items.iter_mut().for_each(|inner| explain(named, inner)),
        _ => {}
    }
}

fn describe(named: &str, properties: &mut Map<String, Value>) {
    for (name, property) in properties {
        let special = meaning(&format!("{named}.{name}"));
        if let (Some(property), Some(meaning)) =
            (property.as_object_mut(), special.or_else(|| meaning(name)))
        {
            property.entry("description").or_insert_with(|| meaning.into());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_sorted_and_speaks_in_sentences() {
        assert!(GLOSSARY.is_sorted_by(|one, other| one.0 < other.0));
        for (name, meaning) in GLOSSARY {
            assert!(
                meaning.ends_with('.') && meaning.starts_with(char::is_uppercase)
                    || meaning.starts_with(|c: char| c.is_ascii_digit()),
                "{name}: {meaning}"
            );
        }
    }
}
