use starttls_core::Misbehaviour;

use super::*;

/// All pieces, or the error behind them; and what is left unread.
fn read(bytes: &[u8]) -> (Vec<Piece>, Result<(), Error>, Vec<u8>) {
    let (mut xml, mut plain, mut pieces) = (Xml::new(), Plain::with_prefix(bytes), Vec::new());
    let end = loop {
        match xml.next(&mut plain) {
            Ok(Some(piece)) => pieces.push(piece),
            Ok(None) => break Ok(()),
            Err(error) => break Err(error),
        }
    };
    (pieces, end, plain.peek().to_vec())
}

fn opened(namespace: &str, name: &str) -> Piece {
    Piece::Opened(Element::new(namespace.into(), name.into(), Vec::new()))
}

fn is_refused(bytes: &[u8]) -> bool {
    matches!(
        read(bytes).1,
        Err(Error::Misbehaved(Misbehaviour::Malformed { .. }))
    )
}

#[test]
fn resolves_prefixes_where_they_are_bound() {
    let (pieces, end, rest) =
        read(b"<?xml version='1.0'?> <s:a xmlns:s='n'><b xmlns='m'>x &lt;</b >\n<c/></s:a>");
    assert_eq!(end, Ok(()));
    assert!(rest.is_empty());
    let mut pieces = pieces.into_iter();
    let Some(Piece::Opened(a)) = pieces.next() else {
        panic!("no a")
    };
    assert!(a.is("n", "a"));
    let Some(Piece::Opened(b)) = pieces.next() else {
        panic!("no b")
    };
    assert!(b.is("m", "b") && b.attribute("xmlns") == Some("m"));
    let rest = [
        Piece::Text("x <".into()),
        Piece::Closed,
        opened("", "c"),
        Piece::Closed,
        Piece::Closed,
    ];
    assert!(pieces.eq(rest));
}

#[test]
fn stops_at_the_end_of_a_tag() {
    let mut xml = Xml::new();
    let mut plain = Plain::with_prefix(b"<a b='>' c=\"'>\"\n/>\n<rest/>");
    let Ok(Some(Piece::Opened(a))) = xml.next(&mut plain) else {
        panic!("no a")
    };
    assert_eq!(plain.peek(), b"\n<rest/>");
    assert_eq!(
        (a.attribute("b"), a.attribute("c")),
        (Some(">"), Some("'>"))
    );
    assert_eq!(xml.next(&mut plain), Ok(Some(Piece::Closed)));
    assert_eq!(plain.peek(), b"\n<rest/>");
}

#[test]
fn refuses_what_xmpp_forbids() {
    for markup in ["<!DOCTYPE a>", "<!--x-->", "<?pi?>", "<![CDATA[x]]>"] {
        assert!(is_refused(markup.as_bytes()), "{markup}");
        assert!(
            is_refused(format!("<a><b>{markup}").as_bytes()),
            "inside: {markup}"
        );
    }
    assert!(is_refused(b"<a><b>&x;<"));
    assert!(is_refused(b"<a b='&x;'/>"));
    assert!(is_refused(b" <?xml version='1.0'?>"));
    assert!(is_refused(b"<?xml version='1.1'?>"));
    assert!(is_refused(b"<?xml version='1.0' encoding='UTF-16'?>"));
}

#[test]
fn refuses_what_is_not_well_formed() {
    let tags = [
        "</a>",
        "<a></b>",
        "<>",
        "< a/>",
        "<a/ >",
        "<a b=c/>",
        "<a b/>",
        "<a b='1' b='2'/>",
        "<p:a/>",
        "<a:b:c/>",
        "<1/>",
        "<a <b/>",
        "<a b='<'/>",
        "<a xmlns:xmlns='x'/>",
        "<a>text",
        "text",
    ];
    for tag in tags {
        assert!(is_refused(tag.as_bytes()), "{tag}");
    }
    assert!(is_refused(b"<a \x00/>"));
    assert!(is_refused(b"<a b='\xff'/>"));
}

#[test]
fn is_bounded() {
    let is_too_long = |bytes: &[u8]| {
        matches!(
            read(bytes).1,
            Err(Error::Misbehaved(Misbehaviour::TooLong { .. }))
        )
    };
    assert!(is_too_long(&b"<a>".repeat(17)));
    assert!(!is_too_long(&b"<a>".repeat(16)));
    let declarations = |n: usize| {
        let declared: String = (0..n).map(|i| format!(" xmlns:p{i}='x'")).collect();
        format!("<a{declared}>")
    };
    let nested = |n: usize| [declarations(n), declarations(n)].concat();
    assert!(!is_too_long(nested(32).as_bytes()));
    assert!(is_too_long(nested(33).as_bytes()), "namespaces in scope");
    let attributes: String = (0..65).map(|i| format!(" a{i}=''")).collect();
    assert!(is_too_long(format!("<a{attributes}>").as_bytes()));
    assert!(is_too_long(&[b"<", &b"a".repeat(4096)[..]].concat()));
    assert!(is_too_long(&[b"<a><b>", &b"x".repeat(4096)[..]].concat()));
}

#[test]
fn any_split_gives_the_same_pieces() {
    let whole = b"<?xml version='1.0'?><s:a xmlns:s='n' v='1.0'><b>text</b> <c d='>'/><c/></s:a>";
    let (expected, ..) = read(whole);
    let (mut xml, mut plain, mut pieces) = (Xml::new(), Plain::new(), Vec::new());
    for byte in whole {
        use starttls_core::Phase;
        assert_eq!(plain.handle_input(&[*byte]), 1);
        while let Some(piece) = xml.next(&mut plain).unwrap() {
            pieces.push(piece);
        }
    }
    assert_eq!(pieces, expected);
}

#[test]
fn a_look_at_the_next_element_consumes_nothing() {
    let (mut xml, mut plain) = (Xml::new(), Plain::new());
    let mut seen = None;
    for byte in b"<a xmlns:p='n'> <p:b c='>'/>x" {
        use starttls_core::Phase;
        assert_eq!(plain.handle_input(&[*byte]), 1);
        if xml.depth() == 0 {
            let _ = xml.next(&mut plain).unwrap();
        } else if seen.is_none() {
            seen = xml.peek(&mut plain).unwrap();
        }
    }
    assert!(seen.is_some_and(|b| b.is("n", "b") && b.attribute("c") == Some(">")));
    assert_eq!(plain.peek(), b"<p:b c='>'/>x");
    assert!(xml.peek(&mut plain).unwrap().is_some(), "again");
    assert!(matches!(xml.next(&mut plain), Ok(Some(Piece::Opened(_)))));
    assert_eq!(plain.peek(), b"x");
}
