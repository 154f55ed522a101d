package main

import (
	"context"
	"fmt"
	"strings"

	"flowmeter/exporters/collect"
)

type collectCmd struct {
	Enterprise uint32 `default:"32473" help:"Enterprise number of the meter's own elements."`
	From       string `arg:"" help:"Where messages come from: udp://HOST:PORT, tcp://HOST:PORT or an IPFIX file."`
}

// Help is shown below the usage.
func (*collectCmd) Help() string {
	return `Examples:

  meter collect udp://127.0.0.1:4739
  meter collect flows.ipfix

NetFlow v5, v9 and IPFIX are told apart by content. SIGINT or SIGTERM ends it;
what was received is then summed up on standard error.`
}

// Run prints what arrives until a signal comes, or the file ends.
func (c *collectCmd) Run(a *app) error {
	cfg := collect.Default()
	cfg.Enterprise = c.Enterprise
	cfg.Log = func(err error) { a.partial(err) }
	from, err := collect.Open(cfg, c.From, a.stdout)
	if err != nil {
		return usageError{err}
	}
	if addr := from.Addr(); addr != nil {
		a.log.Info("collecting", "address", addr.String())
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	go func() {
		select {
		case <-a.signals:
			cancel()
		case <-ctx.Done():
		}
	}()
	err = from.Run(ctx)
	stats := from.Stats()
	fmt.Fprintln(a.stderr, strings.TrimSpace(stats.Summary()))
	return err
}
