package prometheus

import (
	"bytes"
	"fmt"
	"os"
	"regexp"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	client "github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
)

// value returns the value of a series of a page.
func value(t *testing.T, page, series string) float64 {
	t.Helper()
	m := regexp.MustCompile(`(?m)^` + regexp.QuoteMeta(series) + ` (\S+)$`).FindStringSubmatch(page)
	if m == nil {
		t.Fatalf("no %s in\n%s", series, page)
	}
	v, err := strconv.ParseFloat(m[1], 64)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// TestProcess compares the page with what the kernel and the runtime say.
func TestProcess(t *testing.T) {
	for begun := time.Now(); time.Since(begun) < 50*time.Millisecond; { // the kernel counts in 10 ms
	}
	end := make(chan struct{})
	defer close(end)
	for range 100 {
		go func() { <-end }()
	}
	p := NewProcess()
	var page bytes.Buffer
	if err := p.Write(&page); err != nil {
		t.Fatal(err)
	}
	if n := value(t, page.String(), "go_goroutines"); n <= 100 || n > 120 {
		t.Errorf("%v goroutines, want a little more than 100", n)
	}
	if n := value(t, page.String(), fmt.Sprintf("go_info{version=%q}", runtime.Version())); n != 1 {
		t.Errorf("go_info is %v", n)
	}
	if runtime.GOOS != "linux" {
		return
	}
	statm, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		t.Fatal(err)
	}
	var size, resident float64
	fmt.Sscan(string(statm), &size, &resident)
	resident *= float64(os.Getpagesize())
	if n := value(t, page.String(), "process_resident_memory_bytes"); n < resident/2 || n > resident*2 {
		t.Errorf("%v octets resident, the kernel says %v", n, resident)
	}
	for _, name := range []string{"process_cpu_seconds_total", "process_start_time_seconds", "process_open_fds", "process_max_fds", "process_virtual_memory_bytes"} {
		if value(t, page.String(), name) <= 0 {
			t.Errorf("%s is not positive", name)
		}
	}
}

// TestProcessFamilies checks that each family that is announced is on the page
// with its HELP and TYPE, and no other.
func TestProcessFamilies(t *testing.T) {
	p := NewProcess()
	var page bytes.Buffer
	if err := p.Write(&page); err != nil {
		t.Fatal(err)
	}
	families, err := p.Families()
	if err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(page.String(), "# TYPE "); n != len(families) || n < 20 {
		t.Errorf("%d families on the page, %d announced", n, len(families))
	}
	for _, f := range families {
		head := fmt.Sprintf("# HELP %s %s\n# TYPE %s %s\n", f.Name, f.Help, f.Name, f.Type)
		if !strings.Contains(page.String(), head) {
			t.Errorf("the page lacks\n%s", head)
		}
	}
}

// TestStart checks that the time of the start is there once, whether or not the
// kernel tells it, and that both agree.
func TestStart(t *testing.T) {
	start := func(r *client.Registry) float64 {
		var page bytes.Buffer
		if err := (&Process{withStart(r)}).Write(&page); err != nil {
			t.Fatal(err)
		}
		return value(t, page.String(), "process_start_time_seconds")
	}
	full := client.NewRegistry()
	full.MustRegister(collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	own, kernels := start(client.NewRegistry()), start(full)
	if d := own - kernels; d < -3 || d > 3 || own > float64(time.Now().Unix()+1) {
		t.Errorf("began at %v, as the kernel says at %v", own, kernels)
	}
}
