//go:build integration && linux

package interop

import (
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"flowmeter/meter/lab"
)

// TestOwnTraffic meters the interface that its own records go over: they are
// left out and counted, unless the configuration wants them.
func TestOwnTraffic(t *testing.T) {
	if !lab.Isolated(t) {
		return
	}
	for _, scheme := range []string{"ipfix+tcp", "ipfix"} {
		network := strings.TrimPrefix(strings.Replace(scheme, "ipfix", "udp", 1), "udp+")
		port := lab.FreePort(t, network)
		collector := lab.Start(t, meter, "collect", fmt.Sprintf("%s://127.0.0.1:%d", network, port))
		lab.Eventually(t, "the collector listens", func() bool { return strings.Contains(collector.Log.String(), "collecting") })
		m := startLive(t, "lo", "-o", fmt.Sprintf("%s://127.0.0.1:%d", scheme, port), "--idle", "200ms")
		for range 20 {
			c, err := net.Dial("udp", "127.0.0.1:9")
			if err != nil {
				t.Fatal(err)
			}
			fmt.Fprint(c, "something to meter")
			c.Close()
			time.Sleep(100 * time.Millisecond)
		}
		lab.Eventually(t, "records arrive", func() bool { return strings.Count(collector.Out.String(), `"destinationTransportPort":9,`) == 20 })
		m.stop()
		if !strings.Contains(m.Out.String(), "own export traffic") {
			t.Errorf("%s: no packet is the meter's own\n%s", scheme, m.Out.String())
		}
		var own uint64
		for _, r := range m.records() {
			if r.number("destinationTransportPort") == uint64(port) {
				own += r.number("packetDeltaCount") + r.number("reversePacketDeltaCount")
			}
		}
		if own > 3 { // the handshake may leave the ring before the connection is known
			t.Errorf("%s: %d packets to the collector were metered", scheme, own)
		}
	}
}
