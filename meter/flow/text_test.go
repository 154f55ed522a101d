package flow

import (
	"encoding/json"
	"math"
	"math/rand/v2"
	"strings"
	"testing"
	"time"
)

func TestAppendTimeAgainstStdlib(t *testing.T) {
	layouts := map[Precision]string{
		ToSeconds: "2006-01-02T15:04:05Z",
		ToMillis:  "2006-01-02T15:04:05.000Z",
		ToMicros:  "2006-01-02T15:04:05.000000Z",
		ToNanos:   "2006-01-02T15:04:05.000000000Z",
	}
	times := []int64{0, 1, -1, 999_999_999, -999_999_999, 951_782_400_000_000_000, math.MaxInt64, math.MinInt64}
	for range 10_000 {
		times = append(times, int64(rand.Uint64()))
	}
	for p, layout := range layouts {
		for _, ns := range times {
			want := time.Unix(0, ns).UTC().Format(layout)
			if got := string(AppendTime(nil, ns, p)); got != want {
				t.Fatalf("AppendTime(%d, %d) = %s, want %s", ns, p, got, want)
			}
		}
	}
}

func TestAppendJSONStringParsesBack(t *testing.T) {
	words := []string{"", "plain", `quo"te\back`, "\x00\x01\n\t\x1f\x7f", "Grüße 流", "bad\xff\xfeutf8", "\u2028</script>", "\xed\xa0\x80"}
	for _, word := range words {
		var got string
		if err := json.Unmarshal(AppendJSONString(nil, word), &got); err != nil {
			t.Errorf("%q: %v", word, err)
		}
		want := strings.Map(func(r rune) rune { return r }, word) // each bad octet to U+FFFD
		if got != want {
			t.Errorf("%q came back as %q, want %q", word, got, want)
		}
	}
}

func TestAddressText(t *testing.T) {
	for _, test := range []struct {
		in   []byte
		want string
	}{
		{[]byte{192, 0, 2, 1}, "192.0.2.1"},
		{[]byte{0x20, 1, 0xd, 0xb8, 14: 0, 15: 1}, "2001:db8::1"},
		{[]byte{10: 0xff, 11: 0xff, 12: 1, 13: 2, 14: 3, 15: 4}, "::ffff:1.2.3.4"},
		{[]byte{0, 0x1b, 0x21, 0xab, 0xc, 0xf}, "00:1b:21:ab:0c:0f"},
	} {
		if got := AddressText(test.in); got != test.want {
			t.Errorf("AddressText(%v) = %s, want %s", test.in, got, test.want)
		}
	}
}

// TestAppendTextAllocatesNothing covers every field of the model, both ways.
func TestAppendTextAllocatesNothing(t *testing.T) {
	r := Record{RuleSet: &RuleSet{Name: "default", Named: func(uint16) string { return "" }}, FlowID: 1}
	fields := Model(ToMillis)
	buf := make([]byte, 0, 64)
	allocs := testing.AllocsPerRun(100, func() {
		for i := range fields {
			for w := Forward; w <= Reverse; w++ {
				buf = fields[i].AppendText(buf[:0], &r, w)
			}
		}
	})
	if allocs != 0 {
		t.Errorf("%v allocations for a record", allocs)
	}
}

func BenchmarkAppendTime(b *testing.B) {
	buf := make([]byte, 0, 64)
	for b.Loop() {
		buf = AppendTime(buf[:0], 1_600_000_000_123_456_789, ToMillis)
	}
}
