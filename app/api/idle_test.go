package api

import (
	"io"
	"net"
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// BenchmarkIdleSocket reports how much heap and stack, in bytes, an idle socket
// costs the pod. The client's end is a bare network connection in the same
// process.
func BenchmarkIdleSocket(b *testing.B) {
	const n = 2000
	p := newPod(b, nil)
	host := strings.TrimSuffix(strings.TrimPrefix(p.url, "http://"), "/chatbox")
	request := "GET /chatbox/ws HTTP/1.1\r\nHost: pod\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" +
		"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nAuthorization: Bearer " + token(b, nil) + "\r\n\r\n"
	answer := make([]byte, 4096)
	var open []net.Conn
	connect := func(k int) {
		for range k {
			c, err := (&net.Dialer{}).DialContext(b.Context(), "tcp", host)
			require.NoError(b, err)
			_, err = io.WriteString(c, request)
			require.NoError(b, err)
			for seen := ""; !strings.Contains(seen, "connection_status"); {
				k, err := c.Read(answer)
				require.NoError(b, err)
				seen += string(answer[:k])
			}
			open = append(open, c)
		}
	}
	for b.Loop() {
		connect(50) // what is made once is not counted
		heap, stack := inUse()
		connect(n)
		moreHeap, moreStack := inUse()
		b.ReportMetric(float64(moreHeap-heap)/n, "heap-B/socket")
		b.ReportMetric((float64(moreStack)-float64(stack))/n, "stack-B/socket")
		for _, c := range open {
			require.NoError(b, c.Close())
		}
		open = nil
		require.Eventually(b, func() bool { return p.hub.Len() == 0 }, soon, soon/500, "sockets are left")
	}
}

func inUse() (heap, stack uint64) {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc, m.StackInuse
}
