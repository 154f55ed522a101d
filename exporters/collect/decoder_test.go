package collect

import (
	"encoding/binary"
	"encoding/hex"
	"errors"
	"strings"
	"testing"
	"time"

	"flowmeter/meter/flow"
)

func TestMalformed(t *testing.T) {
	counters := layoutOf(256, 0, spec(0, 1, 8), spec(0, 96, variable))
	for _, test := range []struct {
		name, message string
		offset        int
		reason        string
	}{
		{"empty", "", 0, "0 octets are no message"},
		{"version", "000b0010", 0, "version 11 is none of 5, 9 and 10"},
		{"IPFIX header cut", "000a00105f5e1000000000", 11, "IPFIX header of 16 octets is cut"},
		{"length too small", "000a000f5f5e10000000000000000001", 2, "message says it has 15 octets and has 16"},
		{"length too large", "000a00115f5e10000000000000000001", 2, "message says it has 17 octets and has 16"},
		{"v9 under IPFIX's length", "0009002c5f5e10000000000000000001", 16, "v9 header of 20 octets is cut"},
		{"set length 3", "000a00145f5e100000000000000000010002 0003", 16, "set 2 says it has 3 octets; its header alone has 4"},
		{"set beyond the message", "000a00145f5e100000000000000000010100 0006", 16, "set 256 says it has 6 octets; 4 are left"},
		{"rest too short", "000a00125f5e100000000000000000010002", 16, "2 octets are left, too few for a set"},
		{"reserved set", newMessage(0, 1).set(4).hex(), 16, "set id 4 is reserved"},
		{"reserved template", newMessage(0, 1).set(2, layoutOf(255, 0, spec(0, 1, 4))...).hex(), 20, "template id 255 is reserved"},
		{"template cut", newMessage(0, 1).set(2, layoutOf(256, 0, spec(0, 1, 4), spec(5, 2, 4))[:14]...).hex(), 32, "template 256: 4 octets go beyond the set, which has 2 left"},
		{"no scopes", newMessage(0, 1).set(3, 1, 0, 0, 1, 0, 0, 0, 1, 0, 4).hex(), 26, "template 256: 0 scopes of 1 fields"},
		{"more scopes than fields", newMessage(0, 1).set(3, 1, 0, 0, 1, 0, 2, 0, 1, 0, 4).hex(), 26, "template 256: 2 scopes of 1 fields"},
		{"records of no octets", newMessage(0, 1).set(2, layoutOf(256, 0, spec(0, 210, 0))...).hex(), 20, "template 256: too many of its fields have no octets"},
		{"withdrawal of a reserved id", newMessage(0, 1).set(2, 0, 3, 0, 0).hex(), 20, "withdrawal of template 3 in set 2"},
		{"value beyond the set", newMessage(0, 1).set(2, counters...).set(256, 0, 0, 0, 0, 0, 0, 0, 1, 9, 'a').hex(), 45, "applicationName: 9 octets go beyond the set, which has 1 left"},
		{"long length cut", newMessage(0, 1).set(2, counters...).set(256, 0, 0, 0, 0, 0, 0, 0, 1, 255, 1).hex(), 45, "applicationName: 2 octets go beyond the set, which has 1 left"},
		{"checksum", strings.Replace(rfc5655, "73f112d6", "73f112d7", 1), 141, "the message's MD5 is 73f112d6c758be44e660064e7874ae7d, not 73f112d7c758be44e660064e7874ae7d as it says"},
		{"v9 flow set beyond", rfc3954[:len(rfc3954)-8], 136, "set 257 says it has 16 octets; 12 are left"},
		{"v9 reserved flow set", b3v9[:40] + "00020004", 20, "flow set id 2 is reserved"},
		{"v9 template cut", b3v9[:40] + "0000000c" + "0100000300080004", 0, "template 256 is cut, or its records have no octets"},
		{"v9 records of no octets", b3v9[:40] + "0000000c" + "0100000100080000", 0, "template 256 is cut, or its records have no octets"},
		{"v5 header cut", "000500010000", 6, "v5 header of 24 octets is cut"},
		{"v5 of 6 records with none", "000500060082c3485bcdba1b05976dc70000643d08080000", 2, "24 octets hold no 6 records"},
	} {
		t.Run(test.name, func(t *testing.T) {
			d := NewDecoder(Default())
			recs, err := d.Decode("x", unhex(t, test.message))
			var m *Malformed
			if !errors.As(err, &m) {
				t.Fatalf("%v, %v", recs, err)
			}
			if m.Offset != test.offset || m.Reason != test.reason {
				t.Errorf("at %d: %s\nwant %d: %s", m.Offset, m.Reason, test.offset, test.reason)
			}
			if len(recs) != 0 || d.Stats().Malformed != 1 {
				t.Errorf("%d records, %d malformed messages counted", len(recs), d.Stats().Malformed)
			}
		})
	}
}

// fieldsOf decodes one data record of the given fields and octets.
func fieldsOf(t *testing.T, body []byte, specs ...specifier) string {
	t.Helper()
	m := newMessage(0, 1).set(templateSet, layoutOf(256, 0, specs...)...).set(256, body...)
	line := decode(t, NewDecoder(Default()), m.hex())
	_, fields, _ := strings.Cut(strings.TrimSuffix(line, "}\n"), at2020+",")
	return fields
}

func TestValues(t *testing.T) {
	for _, test := range []struct {
		spec specifier
		hex  string
		want string
	}{
		{spec(0, 1, 8), "ffffffffffffffff", `"octetDeltaCount":18446744073709551615`},
		{spec(0, 1, 3), "010000", `"octetDeltaCount":65536`},
		{spec(0, 1, 9), "000000000000000001", `"octetDeltaCount":"000000000000000001"`},
		{spec(0, 8, 4), "c0000201", `"sourceIPv4Address":"192.0.2.1"`},
		{spec(0, 8, 3), "c00002", `"sourceIPv4Address":"c00002"`},
		{spec(0, 27, 16), "20010db8000000000000000000000001", `"sourceIPv6Address":"2001:db8::1"`},
		{spec(0, 56, 6), "001b21ab0c0f", `"sourceMacAddress":"00:1b:21:ab:0c:0f"`},
		{spec(0, 150, 4), "5f5e1000", `"flowStartSeconds":"2020-09-13T12:26:40Z"`},
		{spec(0, 152, 8), "00000174876e80fb", `"flowStartMilliseconds":"2020-09-13T12:26:40.251Z"`},
		{spec(0, 152, 8), "ffffffffffffffff", `"flowStartMilliseconds":"ffffffffffffffff"`},
		{spec(0, 154, 8), "e3088e8040000000", `"flowStartMicroseconds":"2020-09-13T12:26:40.250000Z"`},
		{spec(0, 156, 8), "e3088e8040000000", `"flowStartNanoseconds":"2020-09-13T12:26:40.250000000Z"`},
		{spec(0, 156, 8), "0000000000000000", `"flowStartNanoseconds":"2036-02-07T06:28:16.000000000Z"`},
		{spec(0, 276, 1), "01", `"dataRecordsReliability":true`},
		{spec(0, 276, 1), "02", `"dataRecordsReliability":false`},
		{spec(0, 276, 1), "00", `"dataRecordsReliability":"00"`},
		{spec(0, 320, 8), "3fd0000000000000", `"absoluteError":0.25`},
		{spec(0, 320, 4), "3e800000", `"absoluteError":0.25`},
		{spec(0, 320, 8), "7ff0000000000000", `"absoluteError":"+Inf"`},
		{spec(0, 82, 5), "6574683022", `"interfaceName":"eth0\""`},
		{spec(0, 82, variable), "0465746830", `"interfaceName":"eth0"`},
		{spec(0, 82, variable), "ff000465746830", `"interfaceName":"eth0"`},
		{spec(0, 82, variable), "00", `"interfaceName":""`},
		{spec(0, 291, variable), "05ff00040001", `"basicList":{"protocolIdentifier":[]}`},
		{spec(0, 291, variable), "07ff000400010611", `"basicList":{"protocolIdentifier":[6,17]}`},
		{spec(0, 291, variable), "0c030052ffff01610003626364", `"basicList":{"interfaceName":["a","","bcd"]}`},
		{spec(0, 291, variable), "0eff80010001000000070102030405", `"basicList":{"ie7.1":["01","02","03","04","05"]}`},
		{spec(32473, 51, variable), "ff000d04801d000200007ed9000100ff", `"packetSizeCounts":[1,255]`},
		{spec(32473, 52, variable), "0704801f00080000", `"reversePacketSizeCounts":"04801f00080000"`},
		{spec(0, 291, variable), "08ff0004000206110a", `"basicList":"ff0004000206110a"`},
		{spec(0, 291, variable), "05ff00040000", `"basicList":"ff00040000"`},
		{spec(0, 291, variable), "00", `"basicList":""`},
		{spec(0, 292, variable), "03ff0100", `"subTemplateList":[]`},
		{spec(0, 292, variable), "03ff0200", `"subTemplateList":"ff0200"`},
		{spec(0, 515, 32), strings.Repeat("01", 32), `"ipv6ExtensionHeadersFull":"` + strings.Repeat("01", 32) + `"`},
		{spec(0, 32000, 2), "0102", `"ie32000":"0102"`},
		{spec(reverse, 1, 8), "0000000000000007", `"reverseOctetDeltaCount":7`},
		{spec(reverse, 32000, 1), "07", `"reverseIe32000":"07"`},
		{spec(0, 148, 8), "00000000000000ab", `"flowId":"00000000000000ab"`},
		{spec(32473, 1, 2), "0002", `"flowClass":"out"`},
		{spec(32473, 1, 2), "0100", `"flowClass":"256"`},
		{spec(32473, 2, 1), "01", `"directionEvidence":"syn"`},
		{spec(32473, 2, 1), "ff", `"directionEvidence":"255"`},
		{spec(32473, 3, 4), "00000005", `"pieceNumber":5`},
		{spec(32473, 20, variable), "03766f70", `"flowKindName":"vop"`},
		{spec(32473, 77, 2), "0102", `"ie32473.77":"0102"`},
		{spec(6871, 21, 4), "00000001", `"ie6871.21":"00000001"`},
	} {
		if got := fieldsOf(t, unhex(t, test.hex), test.spec); got != test.want {
			t.Errorf("%v of %s: got %s, want %s", test.spec, test.hex, got, test.want)
		}
	}
}

// TestSubTemplates reads records within a record, and lists within lists.
func TestSubTemplates(t *testing.T) {
	inner := layoutOf(257, 0, spec(0, 4, 1), spec(0, 44, 4), spec(0, 9, 1), spec(0, 291, variable))
	record := "060a000000" + "18" + "07ff000400010611"
	for _, test := range []struct {
		id        uint16
		hex, want string
	}{
		{292, "21ff0101" + record + record[:12] + "05ff00040001",
			`"subTemplateList":[{"protocolIdentifier":6,"sourceIPv4Prefix":"10.0.0.0/24","basicList":{"protocolIdentifier":[6,17]}},{"protocolIdentifier":6,"sourceIPv4Prefix":"10.0.0.0/24","basicList":{"protocolIdentifier":[]}}]`},
		{293, "13ff01010012" + record,
			`"subTemplateMultiList":[{"protocolIdentifier":6,"sourceIPv4Prefix":"10.0.0.0/24","basicList":{"protocolIdentifier":[6,17]}}]`},
		{293, "05ff01010003", `"subTemplateMultiList":"ff01010003"`},
		{293, "01ff", `"subTemplateMultiList":[]`},
	} {
		body := unhex(t, test.hex)
		body[0] = byte(len(body) - 1)
		m := newMessage(0, 1).set(templateSet, inner...).set(templateSet, layoutOf(256, 0, spec(0, test.id, variable))...).set(256, body...)
		line := decode(t, NewDecoder(Default()), m.hex())
		if _, got, _ := strings.Cut(strings.TrimSuffix(line, "}\n"), at2020+","); got != test.want {
			t.Errorf("%s:\ngot  %s\nwant %s", test.hex, got, test.want)
		}
	}
}

// TestDeepLists checks that lists within lists are not followed for ever.
func TestDeepLists(t *testing.T) {
	body := []byte{}
	for range 40 {
		body = append([]byte{0xff, 291 >> 8, 291 & 0xff, 0xff, 0xff}, body...)
		body = append([]byte{byte(len(body))}, body...)
	}
	got := fieldsOf(t, body, spec(0, 291, variable))
	if n := strings.Count(got, `{"basicList":[`); n != deepest || !strings.Contains(got, `["ff0123ffff`) {
		t.Errorf("%d deep: %s", n, got)
	}
}

func TestSigned(t *testing.T) {
	for in, want := range map[string]int64{"ff": -1, "7f": 127, "fffe": -2, "8000000000000000": -1 << 63, "00000005": 5} {
		b, _ := hex.DecodeString(in)
		if got := value(signed8, b); got != want {
			t.Errorf("%s: got %v, want %d", in, got, want)
		}
	}
}

// TestNTPRoundTrip: times that an exporter cuts to 2^-32 s, and for
// microseconds to 21 bits, come back to the unit.
func TestNTPRoundTrip(t *testing.T) {
	for ns := int64(0); ns < 1e9; ns += 7_919_777 {
		for _, seconds := range []int64{0, 1_600_000_000, 2_085_978_495, 2_085_978_496, 4_000_000_000} {
			ntp := uint64(uint32(seconds+ntpEpoch))<<32 | uint64(ns)<<32/1e9
			if got := fromNTP(ntp, 1); got != seconds*1e9+ns {
				t.Fatalf("%d.%09d comes back as %d", seconds, ns, got)
			}
			micros := ns / 1000 * 1000
			ntp = uint64(uint32(seconds+ntpEpoch))<<32 | uint64(micros)<<32/1e9&^0x7ff
			if got := fromNTP(ntp, 1000); got != seconds*1e9+micros {
				t.Fatalf("%d.%09d comes back as %d", seconds, micros, got)
			}
		}
	}
}

func TestFieldsBelongTogether(t *testing.T) {
	for _, test := range []struct {
		name  string
		specs []specifier
		hex   string
		want  string
	}{
		{"prefix", []specifier{spec(0, 9, 1), spec(0, 44, 4), spec(0, 45, 4), spec(0, 13, 1), spec(0, 2, 1)}, "180a010200c0000200 1c 07",
			`"sourceIPv4Prefix":"10.1.2.0/24","destinationIPv4Prefix":"192.0.2.0/28","packetDeltaCount":7`},
		{"prefix without length", []specifier{spec(0, 44, 4)}, "0a010200", `"sourceIPv4Prefix":"10.1.2.0"`},
		{"address and mask length", []specifier{spec(0, 8, 4), spec(0, 9, 1)}, "0a01020318", `"sourceIPv4Address":"10.1.2.3","sourceIPv4PrefixLength":24`},
		{"twice", []specifier{spec(0, 323, 8), spec(0, 323, 8)}, "0000000000000000" + "00000000000003e8",
			`"observationTimeMilliseconds":"1970-01-01T00:00:00.000Z","observationTimeMilliseconds#2":"1970-01-01T00:00:01.000Z"`},
		{"padding", []specifier{spec(0, 4, 1), spec(0, 210, 3)}, "06000000", `"protocolIdentifier":6`},
	} {
		if got := fieldsOf(t, unhex(t, test.hex), test.specs...); got != test.want {
			t.Errorf("%s: got %s, want %s", test.name, got, test.want)
		}
	}
}

// proto is a template of one octet and its data.
func proto(m message, values ...byte) string { return m.set(256, values...).hex() }

func TestTemplateLife(t *testing.T) {
	define := newMessage(0, 1).set(templateSet, layoutOf(256, 0, spec(0, 4, 1))...).hex()
	options := newMessage(0, 1).set(optionsSet, layoutOf(300, 1, spec(0, 4, 1))...).hex()
	for _, test := range []struct {
		name      string
		datagrams bool
		messages  []string
		records   int // of the last message
		check     func(Stats) bool
	}{
		{"unknown", false, []string{proto(newMessage(0, 1), 6)}, 0, func(s Stats) bool { return s.Unknown == 1 }},
		{"of another domain", false, []string{define, proto(newMessage(0, 2), 6)}, 0, func(s Stats) bool { return s.Unknown == 1 }},
		{"known", false, []string{define, proto(newMessage(0, 1), 6, 17)}, 2, func(s Stats) bool { return s.Unknown == 0 && s.IPFIX.Records == 2 }},
		{"repeated", false, []string{define, define, proto(newMessage(0, 1), 6)}, 1, func(s Stats) bool { return s.Redefined == 0 && s.IPFIX.Templates == 2 }},
		{"redefined", false, []string{define, newMessage(0, 1).set(templateSet, layoutOf(256, 0, spec(0, 4, 2))...).hex(), proto(newMessage(0, 1), 0, 6)}, 1,
			func(s Stats) bool { return s.Redefined == 1 }},
		{"withdrawn", false, []string{define, newMessage(0, 1).set(templateSet, 1, 0, 0, 0).hex(), proto(newMessage(0, 1), 6)}, 0,
			func(s Stats) bool { return s.Withdrawn == 1 && s.Unknown == 1 }},
		{"withdrawn over UDP", true, []string{define, newMessage(0, 1).set(templateSet, 1, 0, 0, 0).hex(), proto(newMessage(0, 1), 6)}, 1,
			func(s Stats) bool { return s.Withdrawn == 1 && s.Unknown == 0 }},
		{"all withdrawn", false, []string{define, newMessage(0, 1).set(templateSet, 0, 2, 0, 0).hex(), proto(newMessage(0, 1), 6)}, 0,
			func(s Stats) bool { return s.Unknown == 1 }},
		{"all options withdrawn", false, []string{define, options, newMessage(0, 1).set(optionsSet, 0, 3, 0, 0).hex(),
			newMessage(0, 1).set(256, 6).set(300, 6).hex()}, 1, func(s Stats) bool { return s.Unknown == 1 }},
		{"padding", false, []string{newMessage(0, 1).set(optionsSet, append(layoutOf(300, 1, spec(0, 4, 1), spec(0, 1, 4)), 0, 0)...).
			set(300, 6, 0, 0, 0, 9, 0, 0, 0).hex()}, 1, func(s Stats) bool { return s.IPFIX.Options == 1 }},
		{"more padding than allowed", false, []string{newMessage(0, 1).set(templateSet, append(layoutOf(256, 0, spec(0, 4, 1)), make([]byte, 8)...)...).
			set(256, 6).hex()}, 1, func(s Stats) bool { return s.IPFIX.Templates == 1 }},
	} {
		t.Run(test.name, func(t *testing.T) {
			cfg := Default()
			cfg.Datagrams = test.datagrams
			d := NewDecoder(cfg)
			for _, m := range test.messages[:len(test.messages)-1] {
				decode(t, d, m)
			}
			got := strings.Count(decode(t, d, test.messages[len(test.messages)-1]), "\n")
			if got != test.records || !test.check(d.Stats()) {
				t.Errorf("%d records, want %d; %+v", got, test.records, d.Stats())
			}
		})
	}
}

func TestForgetDropsTemplates(t *testing.T) {
	d := NewDecoder(Default())
	decode(t, d, newMessage(0, 1).set(templateSet, layoutOf(256, 0, spec(0, 4, 1))...).hex(), rfc3954)
	d.Forget("x")
	if got := decode(t, d, proto(newMessage(0, 1), 6)); got != "" || d.kept != 0 {
		t.Errorf("decoded %s; %d fields are kept", got, d.kept)
	}
}

func TestBounds(t *testing.T) {
	cfg := Default()
	cfg.MaxSessions, cfg.MaxFields = 2, 3
	d := NewDecoder(cfg)
	two := layoutOf(256, 0, spec(0, 4, 1), spec(0, 5, 1))
	decode(t, d, newMessage(0, 1).set(templateSet, two...).hex(), newMessage(0, 2).set(templateSet, two...).hex(), newMessage(0, 3).hex())
	if s := d.Stats(); s.RefusedFields != 1 || s.RefusedPeers != 1 {
		t.Errorf("%+v", s)
	}
	decode(t, d, newMessage(0, 1).set(templateSet, two...).hex()) // again: no more room needed
	decode(t, d, newMessage(0, 1).set(templateSet, 1, 0, 0, 0).hex(), newMessage(0, 2).set(templateSet, two...).hex())
	if s := d.Stats(); s.RefusedFields != 1 || d.kept != 2 {
		t.Errorf("%+v, %d kept", s, d.kept)
	}
}

func TestSequences(t *testing.T) {
	define := newMessage(100, 1).set(templateSet, layoutOf(256, 0, spec(0, 4, 1))...).hex()
	v9 := func(sequence uint32) string {
		b := unhex(t, b3v9)
		binary.BigEndian.PutUint32(b[12:], sequence)
		return hex.EncodeToString(b)
	}
	v5 := func(sequence uint32) string {
		b := make([]byte, 24+2*48)
		binary.BigEndian.PutUint16(b, 5)
		binary.BigEndian.PutUint16(b[2:], 2)
		binary.BigEndian.PutUint32(b[16:], sequence)
		return hex.EncodeToString(b)
	}
	for _, test := range []struct {
		name       string
		messages   []string
		version    uint16
		lost, back uint64
	}{
		{"right", []string{define, proto(newMessage(100, 1), 6, 6, 6), proto(newMessage(103, 1), 6)}, 10, 0, 0},
		{"lost", []string{define, proto(newMessage(105, 1), 6), proto(newMessage(116, 1), 6)}, 10, 5 + 10, 0},
		{"other domain", []string{define, newMessage(7, 2).hex(), proto(newMessage(100, 1), 6)}, 10, 0, 0},
		{"restart", []string{define, proto(newMessage(0, 1), 6), proto(newMessage(1, 1), 6)}, 10, 0, 1},
		{"around 2^32", []string{newMessage(1<<32-2, 1).set(templateSet, layoutOf(256, 0, spec(0, 4, 1))...).set(256, 6, 6, 6).hex(), newMessage(3, 1).hex()}, 10, 2, 0},
		{"unknown data", []string{define, newMessage(100, 1).set(999, 1).hex(), proto(newMessage(103, 1), 6)}, 10, 0, 0},
		{"v9", []string{v9(7), v9(8), v9(11)}, 9, 2, 0},
		{"v5", []string{v5(7), v5(9), v5(12)}, 5, 1, 0},
	} {
		d := NewDecoder(Default())
		decode(t, d, test.messages...)
		s := d.Stats()
		if c := s.of(test.version); c.Lost != test.lost || c.Back != test.back || c.Messages != uint64(len(test.messages)) {
			t.Errorf("%s: %+v", test.name, *c)
		}
	}
}

func TestV5(t *testing.T) {
	message := "0005 0001 00000bb8 5f5e1000 1dcd6500 00000007 02 03 0000" + // 3000 ms up at …40.5 s
		"0a010203 c0000250 0a0101fe 0001 0002 0000000c 00001518 000003e8 000009c4 9c40 01bb 00 1b 06 20 fde8 000d 18 1c 0000"
	want := `{"exporter":"x","version":5,"domain":515,"exportTime":"2020-09-13T12:26:40Z",` +
		`"flowStartMilliseconds":"2020-09-13T12:26:38.500Z","flowEndMilliseconds":"2020-09-13T12:26:40.000Z",` +
		`"protocolIdentifier":6,"sourceIPv4Address":"10.1.2.3","destinationIPv4Address":"192.0.2.80",` +
		`"sourceTransportPort":40000,"destinationTransportPort":443,"octetDeltaCount":5400,"packetDeltaCount":12,` +
		`"tcpControlBits":27,"ipClassOfService":32,"ingressInterface":1,"egressInterface":2,"ipNextHopIPv4Address":"10.1.1.254",` +
		`"bgpSourceAsNumber":65000,"bgpDestinationAsNumber":13,"sourceIPv4PrefixLength":24,"destinationIPv4PrefixLength":28}` + "\n"
	if got := decode(t, NewDecoder(Default()), message); got != want {
		t.Errorf("got  %swant %s", got, want)
	}
}

func TestV9(t *testing.T) {
	header := "0009 0002 00000bb8 5f5e1000 00000001 00000001"
	template := "0000 0014 0100 0003 0016 0004 0015 0004 0006 0001"
	message := header + template + "0100 0010 000003e8 00000bb9 1b 000000"
	want := `"flowStartMilliseconds":"2020-09-13T12:26:38.000Z","flowEndMilliseconds":"2020-09-13T12:26:40.001Z","tcpControlBits":27}` + "\n"
	d := NewDecoder(Default())
	if got := decode(t, d, message); !strings.HasSuffix(got, want) {
		t.Errorf("got %s, want %s", got, want)
	}
	if d.Stats().Miscounted != 0 {
		t.Errorf("%+v", d.Stats())
	}
	decode(t, d, strings.Replace(message, "0009 0002", "0009 0003", 1))
	if d.Stats().Miscounted != 1 {
		t.Errorf("a wrong count is not seen: %+v", d.Stats())
	}
}

// TestV9SkipsUnknownData: goflow gives up a message at data that it has no
// template for; the rest of it must not be lost.
func TestV9SkipsUnknownData(t *testing.T) {
	d := NewDecoder(Default())
	got := decode(t, d, "00090003"+b3v9[8:40]+"03e7000800000001"+b3v9[40:])
	if strings.Count(got, "\n") != 1 || d.Stats().Unknown != 1 {
		t.Errorf("%s%+v", got, d.Stats())
	}
}

// TestUptimeWraps: 32 bits of ms begin anew after 49.7 days.
func TestUptimeWraps(t *testing.T) {
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC).UnixNano()
	const day = 24 * 60 * 60 * 1000
	for _, c := range []struct {
		header, flow uint32
		want         string
	}{
		{500, 1<<32 - 500, "2025-12-31T23:59:59.000Z"},
		{500, 1500, "2026-01-01T00:00:01.000Z"},
		{1<<32 - 500, 500, "2026-01-01T00:00:01.000Z"},
		{45 * day, 5 * day, "2025-11-22T00:00:00.000Z"},
		{5 * day, 5*day + day/24, "2026-01-01T01:00:00.000Z"},
		{5 * day, 6 * day, "2025-11-13T06:57:12.704Z"},
	} {
		if got := (uptimeClock{now, c.header}).text(c.flow); got != c.want {
			t.Errorf("header at %d ms, flow at %d ms: got %s, want %s", c.header, c.flow, got, c.want)
		}
	}
}

// TestTypeInformation: an exporter tells the name and type of its elements
// (RFC 5610) after it used them.
func TestTypeInformation(t *testing.T) {
	data := newMessage(0, 1).set(templateSet, layoutOf(256, 0, spec(4711, 5, 4), spec(32473, 1, 2), spec(0, 4, 1))...).
		set(256, 0, 0, 1, 0, 0, 1, 6).hex()
	types := layoutOf(300, 2, spec(0, 303, 2), spec(0, 346, 4), spec(0, 339, 1), spec(0, 341, variable))
	record := func(id uint16, pen uint32, typ flow.Type, name string) []byte {
		b := binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint16(nil, id), pen)
		return append(append(b, byte(typ), byte(len(name))), name...)
	}
	told := newMessage(1, 1).set(optionsSet, types...).
		set(300, record(5, 4711, flow.Unsigned32, "queueLength")...).
		set(300, record(1, 32473, flow.String, "notOurs")...).
		set(300, record(4, 0, flow.String, "notTheirs")...).hex()
	d := NewDecoder(Default())
	if got := decode(t, d, data); !strings.HasSuffix(got, `"ie4711.5":"00000100","flowClass":"in","protocolIdentifier":6}`+"\n") {
		t.Errorf("before: %s", got)
	}
	decode(t, d, told)
	again := newMessage(4, 1).set(256, 0, 0, 1, 0, 0, 1, 6).hex()
	if got := decode(t, d, again); !strings.HasSuffix(got, `"queueLength":256,"flowClass":"in","protocolIdentifier":6}`+"\n") {
		t.Errorf("after: %s", got)
	}
}

// TestModelIsKnown: every element that the meter exports has its name here,
// and the same type.
func TestModelIsKnown(t *testing.T) {
	n := newNames(Default().Enterprise)
	for p := flow.ToMillis; p <= flow.ToNanos; p++ {
		for _, f := range flow.Model(p) {
			if f.ID == 0 {
				continue
			}
			e := enterprise{id: f.ID}
			if f.Private {
				e.pen = Default().Enterprise
			}
			if el := n.find(e); el.name != f.Name || el.typ != f.Type {
				t.Errorf("%s of type %d is %s of type %d", f.Name, f.Type, el.name, el.typ)
			}
			if !f.TwoWay || f.Private {
				continue
			}
			if el := n.find(enterprise{reverse, f.ID}); el.name != f.ReverseName() {
				t.Errorf("%s is %s", f.ReverseName(), el.name)
			}
		}
	}
}

func TestElementNamesAreUnique(t *testing.T) {
	seen := map[string]int{}
	for id, el := range iana {
		if el.name == "" {
			continue
		}
		if other := seen[el.name]; other != 0 {
			t.Errorf("%d and %d are both %s", other, id, el.name)
		}
		seen[el.name] = id
	}
}

func TestSummary(t *testing.T) {
	s := Stats{IPFIX: Counts{Messages: 2, Records: 30, Options: 1, Templates: 3, Lost: 4, Back: 1}, Malformed: 5, Unknown: 6}
	want := "IPFIX: 2 messages, 30 records, 1 options records, 3 templates; 4 records lost, sequence went back 1 times\n" +
		"5 malformed messages\n6 data sets without a template\n"
	if got := s.Summary(); got != want {
		t.Errorf("got\n%swant\n%s", got, want)
	}
	if got := (&Stats{}).Summary(); got != "nothing came\n" {
		t.Errorf("got %s", got)
	}
}
