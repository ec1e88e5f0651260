//! Options and transmission of NBD (NetworkBlockDevice/nbd, `doc/proto.md`).

use super::Inside;

const OPTION_MAGIC: u64 = 0x4948_4156_454f_5054;
const REPLY_MAGIC: u64 = 0x0003_e889_0455_65a9;
const OPT_LIST: u32 = 3;
const OPT_GO: u32 = 7;
const REP_ACK: u32 = 1;
const REP_SERVER: u32 = 2;
const REP_INFO: u32 = 3;

/// The exports are listed, one of 1 MiB is chosen, its first bytes are zeroes.
pub(crate) async fn has_an_export_of_zeroes(mut tls: Inside, name: &str) {
    option(&mut tls, OPT_LIST, &[]).await;
    let replies = replies(&mut tls, OPT_LIST).await;
    let export = [&length(name.as_bytes())[..], name.as_bytes()].concat();
    let listed = |(kind, data): &(u32, Vec<u8>)| *kind == REP_SERVER && data.starts_with(&export);
    assert!(replies.iter().any(listed), "{replies:?}");

    // No information is asked for; the export's is always given.
    option(&mut tls, OPT_GO, &[&export[..], &[0, 0]].concat()).await;
    let size = replies_to_go(&mut tls).await;
    assert_eq!(size, 1 << 20);

    let read = [
        &0x2560_9513_u32.to_be_bytes()[..],
        &[0, 0, 0, 0],
        b"a cookie",
        &[0; 8],
        &512_u32.to_be_bytes(),
    ];
    tls.send(&read.concat()).await;
    let reply = [&0x6744_6698_u32.to_be_bytes()[..], &[0; 4], b"a cookie"].concat();
    assert_eq!(tls.bytes(16).await, reply);
    assert_eq!(tls.bytes(512).await, [0; 512]);

    let disconnect = [&0x2560_9513_u32.to_be_bytes()[..], &[0, 0, 0, 2], &[0; 20]];
    tls.send(&disconnect.concat()).await;
    tls.ends().await;
}

async fn option(tls: &mut Inside, option: u32, data: &[u8]) {
    let option = [
        &OPTION_MAGIC.to_be_bytes()[..],
        &option.to_be_bytes(),
        &length(data),
        data,
    ];
    tls.send(&option.concat()).await;
}

/// The replies up to the acknowledgement, without it.
async fn replies(tls: &mut Inside, option: u32) -> Vec<(u32, Vec<u8>)> {
    let mut replies = Vec::new();
    loop {
        let header = tls.bytes(20).await;
        let start = [&REPLY_MAGIC.to_be_bytes()[..], &option.to_be_bytes()].concat();
        assert_eq!(header[..12], start);
        let kind = u32::from_be_bytes(header[12..16].try_into().unwrap());
        let length = u32::from_be_bytes(header[16..].try_into().unwrap());
        let data = tls.bytes(length as usize).await;
        if kind == REP_ACK {
            return replies;
        }
        replies.push((kind, data));
    }
}

/// The size of the export: information 0 is size and flags.
async fn replies_to_go(tls: &mut Inside) -> u64 {
    let replies = replies(tls, OPT_GO).await;
    let size = replies.iter().find_map(|(kind, data)| {
        let size = data.strip_prefix(&[0, 0])?.first_chunk::<8>()?;
        (*kind == REP_INFO).then(|| u64::from_be_bytes(*size))
    });
    size.unwrap_or_else(|| panic!("{replies:?}"))
}

fn length(bytes: &[u8]) -> [u8; 4] {
    u32::try_from(bytes.len()).unwrap().to_be_bytes()
}
