package main

import (
	"bufio"
	"crypto/sha1"
	"encoding/base64"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"
)

// serveTicks is as much of a WebSocket server as the example needs, so that it needs no package: short texts out, and
// whatever comes in ends it. A real provider takes the WebSocket package of its choice.
func serveTicks(w http.ResponseWriter, r *http.Request) {
	key := r.Header.Get("Sec-WebSocket-Key")
	hijacker, can := w.(http.Hijacker)
	if !can || key == "" || !strings.EqualFold(r.Header.Get("Upgrade"), "websocket") {
		http.Error(w, "a WebSocket is expected", http.StatusUpgradeRequired)
		return
	}
	connection, buffered, err := hijacker.Hijack()
	if err != nil {
		return
	}
	defer connection.Close()
	sum := sha1.Sum([]byte(key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"))
	fmt.Fprintf(buffered, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"+
		"Sec-WebSocket-Accept: %s\r\n\r\n", base64.StdEncoding.EncodeToString(sum[:]))

	ended := make(chan struct{})
	go func() {
		_, _ = buffered.ReadByte()
		close(ended)
	}()
	ticker := time.NewTicker(100 * time.Millisecond)
	defer ticker.Stop()
	for tick := 1; sendText(buffered.Writer, fmt.Sprintf(`{"tick":%d}`, tick)) == nil; tick++ {
		select {
		case <-ended:
			_, _ = io.WriteString(connection, "\x88\x02\x03\xe8") // a close frame: 1000
			return
		case <-ticker.C:
		}
	}
}

// sendText writes a text frame of at most 125 bytes.
func sendText(w *bufio.Writer, text string) error {
	_, _ = w.Write([]byte{0x81, byte(len(text))})
	_, _ = w.WriteString(text)
	return w.Flush()
}
