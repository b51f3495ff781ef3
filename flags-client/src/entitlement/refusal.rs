//! Why something is refused, what can be done about it, and how a service says so over HTTP.

use std::fmt;

use flags_core::{Access, EntitlementReason, Lane, Limit};
use serde::{Serialize, Serializer};

use super::ruling::Ruling;

/// Why a service refuses something: what a [`Verdict`](super::Verdict) that is not `Allowed` has.
///
/// It serialises as the problem of [RFC 9457] that the service may answer with: `type`, `title`,
/// `status`, `detail`, `code` (the reason's name), `feature`, `limit`, `used` and `remaining` where they are
/// known, `remedy` and `hint`. It says nothing of the tenant but what was asked about: neither its
/// name nor its plan, nor who blocks it.
///
/// ```
/// use flags_client::{Client, Feature};
///
/// const SSO: Feature = Feature::new("sso");
///
/// let refusal = Client::empty().entitlement(&SSO, "acme").require_full().unwrap_err();
/// assert_eq!(refusal.to_string(), "there is no contract");
/// assert_eq!(
///     serde_json::to_value(refusal)?,
///     serde_json::json!({
///         "type": "about:blank", "title": "Forbidden", "status": 403,
///         "detail": "there is no contract",
///         "code": "tenant_unknown", "feature": "sso",
///         "remedy": "ask_support", "hint": "Ask support.",
///     }),
/// );
/// # Ok::<(), serde_json::Error>(())
/// ```
///
/// With the feature `axum`, it is a response.
///
/// [RFC 9457]: https://www.rfc-editor.org/rfc/rfc9457
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Refusal {
    ruling: Ruling,
}

/// What can be done about a [`Refusal`].
///
/// ```
/// use flags_client::{Refusal, Remedy};
///
/// fn link(refusal: &Refusal) -> &'static str {
///     match refusal.remedy() {
///         Remedy::UpgradePlan | Remedy::BuyMore => "/billing/plans",
///         Remedy::PayInvoice | Remedy::Renew => "/billing/invoices",
///         Remedy::AskSupport | Remedy::TryLater => "/support",
///     }
/// }
/// # let _ = link;
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Remedy {
    /// Have a plan or an add-on that has the feature.
    UpgradePlan,
    /// Have more of it, or use less.
    BuyMore,
    /// Pay what is due.
    PayInvoice,
    /// Begin a new contract after the old one.
    Renew,
    /// Talk to somebody: it was denied, or something is not as it should be.
    AskSupport,
    /// Nothing: the service does not know at present.
    TryLater,
}

impl Remedy {
    /// The name in JSON.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::UpgradePlan => "upgrade_plan",
            Self::BuyMore => "buy_more",
            Self::PayInvoice => "pay_invoice",
            Self::Renew => "renew",
            Self::AskSupport => "ask_support",
            Self::TryLater => "try_later",
        }
    }

    /// Whether money helps.
    #[must_use]
    pub const fn is_payment(self) -> bool {
        match self {
            Self::UpgradePlan | Self::BuyMore | Self::PayInvoice | Self::Renew => true,
            Self::AskSupport | Self::TryLater => false,
        }
    }

    /// A sentence for the user, in English; who speaks other languages matches the remedy.
    #[must_use]
    pub const fn hint(self) -> &'static str {
        match self {
            Self::UpgradePlan => "Upgrade to a plan that includes it.",
            Self::BuyMore => "Buy more, or use less.",
            Self::PayInvoice => "Pay the open invoice.",
            Self::Renew => "Renew the contract.",
            Self::AskSupport => "Ask support.",
            Self::TryLater => "Try again later.",
        }
    }
}

impl Refusal {
    #[inline]
    pub(super) fn new(ruling: Ruling) -> Self {
        Self { ruling }
    }

    /// What was ruled, with the reason, the limit and what remains of it.
    #[inline]
    pub fn ruling(&self) -> Ruling {
        self.ruling
    }

    /// What can be done about it.
    #[must_use]
    pub fn remedy(&self) -> Remedy {
        use EntitlementReason as Reason;
        match self.ruling.reason {
            Reason::NotInPlan => Remedy::UpgradePlan,
            Reason::LimitReached => Remedy::BuyMore,
            Reason::Blocked(Lane::Billing) => Remedy::PayInvoice,
            Reason::Expired => Remedy::Renew,
            Reason::Stale => Remedy::TryLater,
            _ => Remedy::AskSupport,
        }
    }

    /// The status of an HTTP answer: 402 where money helps, else 403.
    #[must_use]
    pub fn status(&self) -> u16 {
        if self.remedy().is_payment() { 402 } else { 403 }
    }

    /// A sentence for the user about what to do: [`Remedy::hint`].
    #[must_use]
    pub fn hint(&self) -> &'static str {
        self.remedy().hint()
    }
}

impl fmt::Display for Refusal {
    /// What is wrong, as a clause.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        use EntitlementReason as Reason;
        let Ruling { feature, access, reason, limit, used, requested, .. } = self.ruling;
        if access == Access::ReadOnly {
            f.write_str("only reading is allowed: ")?;
        }
        match (reason, limit.unwrap_or(Limit::At(0)), used) {
            (Reason::NotInPlan, ..) => write!(f, "`{feature}` is not included"),
            (Reason::LimitReached, limit, Some(used)) => {
                write!(f, "{used} of {limit} `{feature}` are used")?;
                match requested {
                    Some(requested) if requested > 1 => {
                        write!(f, ", and {requested} more do not fit")
                    }
                    _ => Ok(()),
                }
            }
            (Reason::LimitReached, limit, None) => write!(f, "the limit of `{feature}` is {limit}"),
            (Reason::Blocked(Lane::Billing), ..) => f.write_str("an invoice is unpaid"),
            (Reason::Blocked(_), ..) => f.write_str("the account is blocked"),
            (Reason::Expired, ..) => f.write_str("the contract has ended"),
            (Reason::TenantUnknown, ..) => f.write_str("there is no contract"),
            (Reason::FeatureUnknown, ..) => write!(f, "there is no feature `{feature}`"),
            (Reason::FeatureInvalid, ..) => write!(f, "it cannot be told who has `{feature}`"),
            (Reason::Stale, ..) => f.write_str("what is known of the contract is too old"),
            _ => write!(f, "`{feature}` is denied"),
        }
    }
}

impl std::error::Error for Refusal {}

impl Serialize for Refusal {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct Problem<'a> {
            #[serde(rename = "type")]
            kind: &'a str,
            title: &'a str,
            status: u16,
            detail: Text<'a>,
            code: &'a str,
            feature: &'a str,
            #[serde(skip_serializing_if = "Option::is_none")]
            limit: Option<Limit>,
            #[serde(skip_serializing_if = "Option::is_none")]
            used: Option<u64>,
            #[serde(skip_serializing_if = "Option::is_none")]
            remaining: Option<Limit>,
            remedy: &'a str,
            hint: &'a str,
        }

        struct Text<'a>(&'a Refusal);

        impl Serialize for Text<'_> {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self.0)
            }
        }

        let Ruling { feature, reason, limit, used, remaining, .. } = self.ruling;
        let (status, remedy) = (self.status(), self.remedy());
        // Without a limit nothing is told of it, neither that nothing remains.
        let remaining = remaining.filter(|_| limit.is_some());
        Problem {
            kind: "about:blank",
            title: if status == 402 { "Payment Required" } else { "Forbidden" },
            status,
            detail: Text(self),
            code: reason.name(),
            feature,
            limit,
            used,
            remaining,
            remedy: remedy.name(),
            hint: remedy.hint(),
        }
        .serialize(serializer)
    }
}
