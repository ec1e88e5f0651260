//! VNC VeNCrypt.
