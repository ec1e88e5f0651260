//! A real xrdp.

use starttls_core::Error;
use starttls_protocols::rdp::{Client, Protocols};

use crate::inside::{declined, inside, is_verified_in_each_version};
use crate::support::{Second, port};

const RDP: u16 = 339;

fn rdp() -> Client {
    Client::new(Protocols::TLS)
}

#[tokio::test]
async fn rdp_with_each_version() {
    is_verified_in_each_version(port(RDP), rdp).await;
}

#[tokio::test]
async fn rdp_with_more_to_choose_from() {
    let mut client = Client::new(Protocols::TLS | Protocols::CREDSSP).cookie("test");
    inside(port(RDP), &mut client).await;
    assert_eq!(client.selected().unwrap().into_inner(), Protocols::TLS);
}

#[tokio::test]
async fn rdp_and_the_mcs_connection_inside() {
    let mut tls = inside(port(RDP), rdp()).await;
    tls.send(&connect_initial()).await;
    let header = tls.bytes(4).await;
    assert_eq!(header[..2], [3, 0]);
    let length = usize::from(u16::from_be_bytes([header[2], header[3]]));
    let response = tls.bytes(length - 4).await;
    // X.224 data, MCS Connect Response
    assert!(
        response.starts_with(&[2, 0xf0, 0x80, 0x7f, 0x66]),
        "{}",
        response.escape_ascii()
    );
}

#[tokio::test]
async fn rdp_without_tls_is_not_offered() {
    let second = Second::without_tls("xrdp");
    let reason = declined(second.port(RDP), rdp()).await;
    assert_eq!(reason, Error::NotOffered);
}

/// MCS Connect Initial (MS-RDPBCGR 2.2.1.3) of a client with the least that there can be.
fn connect_initial() -> Vec<u8> {
    // TS_UD_CS_CORE: version, 640 x 480, colours, secure attention sequence, layout, build, name, keyboard, no input method
    let mut core = vec![1, 0xc0, 216, 0, 4, 0, 8, 0, 0x80, 2, 0xe0, 1];
    core.extend([1, 0xca, 3, 0xaa, 9, 4, 0, 0, 0, 0, 0, 0]);
    core.resize(core.len() + 32, 0);
    core.extend([4, 0, 0, 0, 0, 0, 0, 0, 12, 0, 0, 0]);
    core.resize(core.len() + 64, 0);
    // More of colours, no product id, and the protocol that was selected: TLS.
    core.extend([1, 0xca, 1, 0, 0, 0, 0, 0, 24, 0, 7, 0, 1, 0]);
    core.resize(core.len() + 64 + 2, 0);
    core.extend([1, 0, 0, 0]);
    // TS_UD_CS_SEC: no encryption of its own
    let security = [2, 0xc0, 12, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    let blocks = [&core[..], &security].concat();

    // GCC Conference Create Request, in PER
    let per = |length: usize| (0x8000 | u16::try_from(length).unwrap()).to_be_bytes();
    let request = [
        b"\0\x08\0\x10\0\x01\xc0\0Duca",
        &per(blocks.len())[..],
        &blocks,
    ]
    .concat();
    let request = [b"\0\x05\0\x14\x7c\0\x01", &per(request.len())[..], &request].concat();

    let ber = |tag: &[u8], contents: &[u8]| {
        let [high, low] = u16::try_from(contents.len()).unwrap().to_be_bytes();
        [tag, &[0x82, high, low], contents].concat()
    };
    // Domain selectors, the upward flag, and three sets of domain parameters: wanted, least, most
    let domains = b"\x04\x01\x01\x04\x01\x01\x01\x01\xff\
        \x30\x19\x02\x01\x22\x02\x01\x02\x02\x01\0\x02\x01\x01\x02\x01\0\x02\x01\x01\x02\x02\xff\xff\x02\x01\x02\
        \x30\x19\x02\x01\x01\x02\x01\x01\x02\x01\x01\x02\x01\x01\x02\x01\0\x02\x01\x01\x02\x02\x04\x20\x02\x01\x02\
        \x30\x1c\x02\x02\xff\xff\x02\x02\xfc\x17\x02\x02\xff\xff\x02\x01\x01\x02\x01\0\x02\x01\x01\x02\x02\xff\xff\x02\x01\x02";
    let initial = ber(
        &[0x7f, 0x65],
        &[&domains[..], &ber(&[4], &request)].concat(),
    );
    let [high, low] = u16::try_from(initial.len() + 7).unwrap().to_be_bytes();
    [&[3, 0, high, low, 2, 0xf0, 0x80][..], &initial].concat()
}
