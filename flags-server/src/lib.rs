//! flags-server
