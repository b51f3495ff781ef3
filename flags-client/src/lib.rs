//! flags-client
