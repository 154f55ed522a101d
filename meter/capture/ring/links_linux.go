package ring

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"
)

// link is what the kernel tells of an interface.
type link struct {
	index    int
	name     string
	hardware uint16 // ARPHRD_
	up       bool
}

// linkNews is a netlink socket on which the kernel tells of changes.
type linkNews struct{ conn *netlink.Conn }

// openNews subscribes to the news first and then asks for all interfaces, so
// that none is missed.
func openNews() (*linkNews, []link, error) {
	conn, err := netlink.Dial(unix.NETLINK_ROUTE, &netlink.Config{Groups: unix.RTMGRP_LINK})
	if err != nil {
		return nil, nil, fmt.Errorf("netlink: %w", err)
	}
	links, err := listLinks()
	if err != nil {
		conn.Close()
		return nil, nil, err
	}
	return &linkNews{conn}, links, nil
}

func (n *linkNews) close() error { return n.conn.Close() }

// listLinks asks for all interfaces.
func listLinks() ([]link, error) {
	conn, err := netlink.Dial(unix.NETLINK_ROUTE, nil)
	if err != nil {
		return nil, fmt.Errorf("netlink: %w", err)
	}
	defer conn.Close()
	all, err := conn.Execute(netlink.Message{
		Header: netlink.Header{Type: unix.RTM_GETLINK, Flags: netlink.Request | netlink.Dump},
		Data:   make([]byte, unix.SizeofIfInfomsg),
	})
	if err != nil {
		return nil, fmt.Errorf("netlink: list of interfaces: %w", err)
	}
	var links []link
	for _, m := range all {
		if l, ok := parseLink(m.Data); ok {
			links = append(links, l)
		}
	}
	return links, nil
}

// parseLink reads struct ifinfomsg and the attributes behind it
// (rtnetlink(7)). News of a bridge about its ports are no links.
func parseLink(data []byte) (l link, ok bool) {
	if len(data) < unix.SizeofIfInfomsg || data[0] != unix.AF_UNSPEC {
		return l, false
	}
	l.hardware = binary.NativeEndian.Uint16(data[2:])
	l.index = int(int32(binary.NativeEndian.Uint32(data[4:])))
	l.up = binary.NativeEndian.Uint32(data[8:])&unix.IFF_UP != 0
	attributes, err := netlink.NewAttributeDecoder(data[unix.SizeofIfInfomsg:])
	if err != nil {
		return l, false
	}
	for attributes.Next() {
		if attributes.Type() == unix.IFLA_IFNAME {
			l.name = attributes.String()
		}
	}
	return l, attributes.Err() == nil && l.name != "" && l.index > 0
}

// retryAfter is when an interface is tried again that could not be opened.
const retryAfter = 10 * time.Second

// follow hands the news to in until ctx ends or the socket is closed.
func (n *linkNews) follow(ctx context.Context, in *Input) error {
	n.conn.SetReadDeadline(time.Time{})
	stop := context.AfterFunc(ctx, func() { n.conn.SetReadDeadline(time.Unix(1, 0)) })
	defer stop()
	for {
		if in.failing() {
			n.conn.SetReadDeadline(time.Now().Add(retryAfter))
		}
		if ctx.Err() != nil { // its deadline may just have been put off
			return nil
		}
		messages, err := n.conn.Receive()
		switch {
		case ctx.Err() != nil:
			return nil
		case err == nil:
			in.heed(messages)
			continue
		case errors.Is(err, os.ErrDeadlineExceeded):
			n.conn.SetReadDeadline(time.Time{})
		case errors.Is(err, unix.ENOBUFS): // some were lost: compare with what is
		case in.isClosed():
			return nil
		default:
			return fmt.Errorf("netlink: news of interfaces: %w", err)
		}
		if err := in.compare(); err != nil {
			return err
		}
	}
}

func (in *Input) heed(messages []netlink.Message) {
	for _, m := range messages {
		l, ok := parseLink(m.Data)
		if !ok {
			continue
		}
		switch m.Header.Type {
		case unix.RTM_NEWLINK:
			in.appeared(l)
		case unix.RTM_DELLINK:
			in.vanished(l)
		}
	}
}

// compare takes the list of interfaces for news.
func (in *Input) compare() error {
	links, err := listLinks()
	if err != nil {
		return err
	}
	in.mu.Lock()
	var gone []link
	for _, p := range in.ports {
		if p.index != 0 && !hasIndex(links, p.index) {
			gone = append(gone, link{index: p.index, name: p.name})
		}
	}
	in.mu.Unlock()
	for _, l := range gone {
		in.vanished(l)
	}
	for _, l := range links {
		in.appeared(l)
	}
	return nil
}

func hasIndex(links []link, index int) bool {
	for _, l := range links {
		if l.index == index {
			return true
		}
	}
	return false
}
