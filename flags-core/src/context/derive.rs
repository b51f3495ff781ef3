//! The derive, with what it can do.

/// A service's own struct as a context: rules ask its fields, and nothing is copied.
///
/// # One kind
///
/// A struct with a `kind` is an entity of that kind: one field is the key, the others are
/// attributes, named like the field unless renamed. What is `None` is absent. A list is one of
/// texts. The code is a `match` over the names, as one would write it by hand; it allocates
/// nothing.
///
/// ```
/// use std::time::Instant;
///
/// use flags_core::Context;
///
/// #[derive(Context)]
/// #[context(kind = "user")]
/// struct User<'a> {
///     #[context(key)]
///     id: &'a str,
///     email: Option<&'a str>,
///     #[context(rename = "signup")]
///     signed_up_ms: i64,
///     roles: Vec<String>,
///     #[context(skip)]
///     started: Instant,
/// }
///
/// let user = User {
///     id: "u-17",
///     email: None,
///     signed_up_ms: 1_767_225_600_000,
///     roles: vec!["admin".into()],
///     started: Instant::now(),
/// };
/// assert_eq!(user.key("user"), Some("u-17"));
/// assert_eq!(user.attribute("user", "signup"), Some(1_767_225_600_000_i64.into()));
/// assert_eq!(user.attribute("user", "roles"), Some((&user.roles).into()));
/// assert_eq!(user.attribute("user", "email"), None);
/// # let _ = user.started;
/// ```
///
/// # Several kinds
///
/// A field may itself be a context, or an option of one: another struct with this derive, an
/// [`Entity`](crate::Entity), a [`JsonContext`](crate::JsonContext). A field may also belong to a
/// kind that it names itself.
///
/// Where several know one kind, the struct's own fields hold; otherwise the first nested context that
/// has a key of the kind, with its attributes.
///
/// ```
/// # use flags_core::{Context, Entity};
/// #[derive(Context)]
/// #[context(kind = "tenant")]
/// struct Tenant {
///     #[context(key)]
///     id: String,
///     country: String,
/// }
///
/// #[derive(Context)]
/// struct Request<'a> {
///     #[context(nested)]
///     user: Entity<'a>,
///     #[context(nested)]
///     tenant: Option<&'a Tenant>,
///     #[context(key, kind = "device")]
///     device_id: &'a str,
///     #[context(kind = "device")]
///     os: &'a str,
/// }
///
/// let acme = Tenant { id: "acme".into(), country: "DE".into() };
/// let request =
///     Request { user: Entity::user("u-17"), tenant: Some(&acme), device_id: "d-1", os: "ios" };
/// assert_eq!(request.key("user"), Some("u-17"));
/// assert_eq!(request.attribute("tenant", "country"), Some("DE".into()));
/// assert_eq!(request.attribute("device", "os"), Some("ios".into()));
/// ```
///
/// # Types of your own
///
/// A field of any type that is an [`Attribute`](crate::Attribute), or for a key a
/// [`ContextKey`](crate::ContextKey), will do. For a type of another crate, name a function:
///
/// ```
/// # use flags_core::Context;
/// use std::net::IpAddr;
///
/// enum Plan { Free, Team }
///
/// impl Plan {
///     fn name(&self) -> &'static str {
///         match self {
///             Self::Free => "free",
///             Self::Team => "team",
///         }
///     }
/// }
///
/// #[derive(Context)]
/// #[context(kind = "tenant")]
/// struct Tenant {
///     #[context(key)]
///     id: String,
///     #[context(with = Plan::name)]
///     plan: Plan,
///     #[context(rename = "local", with = IpAddr::is_loopback)]
///     address: IpAddr,
/// }
///
/// let tenant = Tenant { id: "acme".into(), plan: Plan::Team, address: [127, 0, 0, 1].into() };
/// assert_eq!(tenant.attribute("tenant", "plan"), Some("team".into()));
/// assert_eq!(tenant.attribute("tenant", "local"), Some(true.into()));
/// # let _ = Plan::Free;
/// ```
pub use flags_core_derive::Context;
