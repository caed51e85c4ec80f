use super::*;
use std::io::ErrorKind;

async fn pair() -> (FaultLink, TcpStream, TcpStream) {
    let target = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let link = FaultLink::start(target.local_addr().unwrap()).await.unwrap();
    let near = TcpStream::connect(link.address()).await.unwrap();
    let (far, _) = target.accept().await.unwrap();
    (link, near, far)
}

async fn read(stream: &mut TcpStream, length: usize) -> Vec<u8> {
    let mut bytes = vec![0; length];
    stream.read_exact(&mut bytes).await.unwrap();
    bytes
}

#[tokio::test]
async fn a_good_link_carries_both_ways_and_ends_in_order() {
    let (_link, mut near, mut far) = pair().await;
    near.write_all(b"there").await.unwrap();
    assert_eq!(read(&mut far, 5).await, b"there");
    near.shutdown().await.unwrap();
    assert_eq!(far.read(&mut [0; 8]).await.unwrap(), 0);
    far.write_all(b"back").await.unwrap();
    assert_eq!(read(&mut near, 4).await, b"back");
}

#[tokio::test]
async fn drops_after_the_byte_it_was_told() {
    let (link, mut near, mut far) = pair().await;
    link.set(Faults { drop_after: Some((Direction::ToTarget, 3)), ..Faults::default() });
    near.write_all(b"abcdef").await.unwrap();
    let mut got = Vec::new();
    far.read_to_end(&mut got).await.unwrap();
    assert_eq!(got, b"abc");
}

#[tokio::test]
async fn a_reset_is_a_reset_and_a_cut_is_an_end() {
    let (link, mut near, mut far) = pair().await;
    near.write_all(b"x").await.unwrap();
    read(&mut far, 1).await;
    link.reset();
    assert_eq!(far.read(&mut [0; 8]).await.unwrap_err().kind(), ErrorKind::ConnectionReset);

    let (link, mut near, mut far) = pair().await;
    near.write_all(b"x").await.unwrap();
    read(&mut far, 1).await;
    link.cut();
    assert_eq!(far.read(&mut [0; 8]).await.unwrap(), 0);
    assert_eq!(near.read(&mut [0; 8]).await.unwrap(), 0);
}

#[tokio::test]
async fn half_close_ends_one_direction_only() {
    let (link, mut near, mut far) = pair().await;
    link.half_close(Direction::ToTarget);
    assert_eq!(far.read(&mut [0; 8]).await.unwrap(), 0);
    far.write_all(b"still").await.unwrap();
    assert_eq!(read(&mut near, 5).await, b"still");
}

#[tokio::test]
async fn a_stuck_link_holds_everything_until_it_is_good_again() {
    let (link, mut near, mut far) = pair().await;
    link.set(Faults { stuck: true, ..Faults::default() });
    near.write_all(b"later").await.unwrap();
    let early = tokio::time::timeout(Duration::from_millis(100), far.read(&mut [0; 8])).await;
    assert!(early.is_err(), "nothing may pass");
    link.set(Faults::default());
    assert_eq!(read(&mut far, 5).await, b"later");
}

#[tokio::test]
async fn refuses_new_connections_while_told_to() {
    let (link, ..) = pair().await;
    link.set(Faults { refuse: true, ..Faults::default() });
    let mut near = TcpStream::connect(link.address()).await.unwrap();
    assert_eq!(near.read(&mut [0; 8]).await.unwrap(), 0);
}

#[tokio::test]
async fn delay_and_width_take_their_time() {
    let (link, mut near, mut far) = pair().await;
    link.set(Faults { delay: Duration::from_millis(50), bytes_per_second: Some(1000), ..Faults::default() });
    let start = std::time::Instant::now();
    near.write_all(&[7; 100]).await.unwrap();
    read(&mut far, 100).await;
    assert!(start.elapsed() >= Duration::from_millis(150));
}
