//! Who is let in: keys, browsers of this machine, headers that lie.
