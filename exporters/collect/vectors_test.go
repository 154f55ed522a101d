package collect

import (
	"encoding/hex"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// The messages of the RFCs' examples, in hex. Where an RFC leaves open export
// time, sequence number or domain, they were chosen.
const (
	rfc7011 = "000a00985f5e100000000000000000010002001c0100000500080004000c0004000f0004000200040001000401000040c000020cc00002fec00002010000139100518c81c000021bc0000217c0000202000002ec0005ef46c0000238c0000241c0000203000000050000198600030018010200030001008d000400290002002a000200000102001400000001015927d90000000202b24fb2"
	rfc5103 = "000a009443e0e94c0000000000000021000200400100000b00960004809600040000727900080004000c000400070002000b0002000400010055000480550004000072790056000480560004000072790100002943e0e91043e0e911c0000202c00002038002005006000046500001f400000000410000006e000300120101000200010095000400ef0001010100090000002103"
	b3v9    = "0009000200393a0545d48cfb0000000200000021000000140100000300080004000c00040001000401000010c0000202c00002030000eb8f"
	b3ipfix = "000a003445d48cfb0000000b00000021000200140100000300080004000c00040001000401000010c0000202c00002030000eb8f"
	rfc3954 = "00090007000003e85f5e100000000000000000010000001c0100000500080004000c0004000f0004000200040001000401000040c6a8010c0a050cfec0a801010000139100518c81c0a8011b0a050c17c0a80101000002ec0005ef46c0a801380a050c41c0a801010000000500001986000100180101000400080003000200290002002a00020000010100100001015927d9000202b24fb2"
	rfc5476 = "000a00355f5e100000000000000000010003001a010700040001012e00040130000101310001013200010107000b0000000f010109"
	rfc5655 = "000a00a0470ab6e5000000000000000100020028010000080096000400080004000c000400070002000b000200040001005500040056000400030050010100030001010b000101090004010500040103000200010107000101060010010200090001010b00010082000400d3000400d9000200d8000200d7000100d0000101080004010400040000010300180073f112d6c758be44e660064e7874ae7d000000"
)

func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(strings.ReplaceAll(s, " ", ""))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// decode returns the records of messages that must decode, as JSON lines.
func decode(t testing.TB, d *Decoder, messages ...string) string {
	t.Helper()
	var out []byte
	for _, m := range messages {
		recs, err := d.Decode("x", unhex(t, m))
		if err != nil {
			t.Fatalf("%s: %v", m, err)
		}
		for i := range recs {
			out = recs[i].AppendJSON(out)
		}
	}
	return string(out)
}

const at2020 = `"exportTime":"2020-09-13T12:26:40Z"`

// vectors are the messages with what they say, as the RFCs' texts tell it.
var vectors = []struct{ name, message, want string }{
	{"rfc7011-A", rfc7011, `
{"exporter":"x","version":10,"domain":1,"template":256,` + at2020 + `,"sourceIPv4Address":"192.0.2.12","destinationIPv4Address":"192.0.2.254","ipNextHopIPv4Address":"192.0.2.1","packetDeltaCount":5009,"octetDeltaCount":5344385}
{"exporter":"x","version":10,"domain":1,"template":256,` + at2020 + `,"sourceIPv4Address":"192.0.2.27","destinationIPv4Address":"192.0.2.23","ipNextHopIPv4Address":"192.0.2.2","packetDeltaCount":748,"octetDeltaCount":388934}
{"exporter":"x","version":10,"domain":1,"template":256,` + at2020 + `,"sourceIPv4Address":"192.0.2.56","destinationIPv4Address":"192.0.2.65","ipNextHopIPv4Address":"192.0.2.3","packetDeltaCount":5,"octetDeltaCount":6534}
{"exporter":"x","version":10,"domain":1,"template":258,` + at2020 + `,"options":true,"lineCardId":1,"exportedMessageTotalCount":345,"exportedFlowRecordTotalCount":10201}
{"exporter":"x","version":10,"domain":1,"template":258,` + at2020 + `,"options":true,"lineCardId":2,"exportedMessageTotalCount":690,"exportedFlowRecordTotalCount":20402}
`},
	{"rfc5103-A", rfc5103, `
{"exporter":"x","version":10,"domain":33,"template":256,"exportTime":"2006-02-01T17:01:00Z","flowStartSeconds":"2006-02-01T17:00:00Z","reverseFlowStartSeconds":"2006-02-01T17:00:01Z","sourceIPv4Address":"192.0.2.2","destinationIPv4Address":"192.0.2.3","sourceTransportPort":32770,"destinationTransportPort":80,"protocolIdentifier":6,"octetTotalCount":18000,"reverseOctetTotalCount":128000,"packetTotalCount":65,"reversePacketTotalCount":110}
{"exporter":"x","version":10,"domain":33,"template":257,"exportTime":"2006-02-01T17:01:00Z","options":true,"observationDomainId":33,"biflowDirection":3}
`},
	{"rfc5655-B3-v9", b3v9, `
{"exporter":"x","version":9,"domain":33,"template":256,"exportTime":"2007-02-15T16:40:27Z","sourceIPv4Address":"192.0.2.2","destinationIPv4Address":"192.0.2.3","octetDeltaCount":60303}
`},
	{"rfc5655-B3-ipfix", b3ipfix, `
{"exporter":"x","version":10,"domain":33,"template":256,"exportTime":"2007-02-15T16:40:27Z","sourceIPv4Address":"192.0.2.2","destinationIPv4Address":"192.0.2.3","octetDeltaCount":60303}
`},
	{"rfc3954-11", rfc3954, `
{"exporter":"x","version":9,"domain":1,"template":256,` + at2020 + `,"sourceIPv4Address":"198.168.1.12","destinationIPv4Address":"10.5.12.254","ipNextHopIPv4Address":"192.168.1.1","packetDeltaCount":5009,"octetDeltaCount":5344385}
{"exporter":"x","version":9,"domain":1,"template":256,` + at2020 + `,"sourceIPv4Address":"192.168.1.27","destinationIPv4Address":"10.5.12.23","ipNextHopIPv4Address":"192.168.1.1","packetDeltaCount":748,"octetDeltaCount":388934}
{"exporter":"x","version":9,"domain":1,"template":256,` + at2020 + `,"sourceIPv4Address":"192.168.1.56","destinationIPv4Address":"10.5.12.65","ipNextHopIPv4Address":"192.168.1.1","packetDeltaCount":5,"octetDeltaCount":6534}
{"exporter":"x","version":9,"domain":1,"template":257,` + at2020 + `,"options":true,"scopeLineCard":1,"exportedMessageTotalCount":345,"exportedFlowRecordTotalCount":10201}
{"exporter":"x","version":9,"domain":1,"template":257,` + at2020 + `,"options":true,"scopeLineCard":2,"exportedMessageTotalCount":690,"exportedFlowRecordTotalCount":20402}
`},
	{"rfc5476-H", rfc5476, `
{"exporter":"x","version":10,"domain":1,"template":263,` + at2020 + `,"options":true,"selectorId":15,"selectorAlgorithm":1,"samplingPacketInterval":1,"samplingPacketSpace":9}
`},
	{"rfc5655-A5", rfc5655, `
{"exporter":"x","version":10,"domain":1,"template":259,"exportTime":"2007-10-08T23:01:57Z","options":true,"messageScope":0,"messageMD5Checksum":"73f112d6c758be44e660064e7874ae7d"}
`},
}

func TestVectors(t *testing.T) {
	for _, v := range vectors {
		t.Run(v.name, func(t *testing.T) {
			if got := decode(t, NewDecoder(Default()), v.message); got != strings.TrimPrefix(v.want, "\n") {
				t.Errorf("got\n%swant%s", got, v.want)
			}
		})
	}
}

// vectorFiles returns the folder of the shared vectors.
func vectorFiles(t *testing.T) string {
	t.Helper()
	dir := os.Getenv("METER_VECTORS")
	if dir == "" {
		t.Skip("METER_VECTORS names no folder of test vectors (vec.json, *.ipfix)")
	}
	return dir
}

func TestVectorFile(t *testing.T) {
	src, err := os.ReadFile(filepath.Join(vectorFiles(t), "vec.json"))
	if err != nil {
		t.Fatal(err)
	}
	var messages map[string]string
	if err := json.Unmarshal(src, &messages); err != nil {
		t.Fatal(err)
	}
	for _, v := range vectors {
		if m := messages[v.name]; m != "" && m != v.message {
			t.Errorf("%s is not what the test has", v.name)
		}
		delete(messages, v.name)
	}
	if len(messages) > 0 {
		t.Errorf("not tested: %v", messages)
	}
}
