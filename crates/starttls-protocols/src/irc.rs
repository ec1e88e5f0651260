//! IRC (IRCv3 tls).
