//! Every byte on media.
