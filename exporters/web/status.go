package web

import "time"

// Status is what /status shows, as JSON. Counts are since the start.
type Status struct {
	Name      string           `json:"name"`
	Version   string           `json:"version"`
	Started   time.Time        `json:"started"`
	Inputs    []InputStatus    `json:"inputs"`
	RuleSets  []RuleSetStatus  `json:"ruleSets"`
	Exporters []ExporterStatus `json:"exporters"`
	Reload    *ReloadStatus    `json:"lastReload"` // null: there was none
	Balance   BalanceStatus    `json:"balance"`
}

// State is how far an input or exporter has come between two reloads.
type State string

// What State may say.
const (
	Running  State = "running"
	Waiting  State = "waiting"  // for the one of before it, to the same collector or file, to end
	Draining State = "draining" // a reload took it away, and it brings to its end what it has; its counts are also in the input of its name
)

// InputStatus is an input and the account of its packets.
type InputStatus struct {
	Name       string            `json:"name"`
	State      State             `json:"state"`
	Interfaces []InterfaceStatus `json:"interfaces,omitempty"`
	Traces     []string          `json:"traces,omitempty"`
	Packets    uint64            `json:"packets"`
	Octets     uint64            `json:"octets"`   // of whole frames on the wire
	Filtered   uint64            `json:"filtered"` // packets
	Decoded    map[string]uint64 `json:"decoded"`  // packets by outcome
}

// InterfaceStatus is a live interface of an input.
type InterfaceStatus struct {
	Name    string `json:"name"`
	Index   uint32 `json:"index"`
	Up      bool   `json:"up"`
	Packets uint64 `json:"packets"`
	Drops   uint64 `json:"drops"` // packets that the kernel had no room for
}

// RuleSetStatus is a rule set, its flows and what it said of packets.
type RuleSetStatus struct {
	Name     string            `json:"name"`
	Flows    uint64            `json:"liveFlows"`
	MaxFlows int               `json:"maxFlows,omitempty"`
	Created  uint64            `json:"createdFlows"`
	Ended    map[string]uint64 `json:"endedRecords"` // by reason
	Verdicts map[string]uint64 `json:"verdicts"`     // packets

	// Overload is how far a rule set has given way that may do so (normal,
	// standby, flood), and since when, on the clock of the packets.
	Overload      string     `json:"overload,omitempty"`
	OverloadSince *time.Time `json:"overloadSince,omitempty"`
}

// ExporterStatus is an exporter with what waits for it.
type ExporterStatus struct {
	Name    string            `json:"name"`
	State   State             `json:"state"`
	Up      bool              `json:"up"`
	Records uint64            `json:"records"`
	Octets  uint64            `json:"octets"`
	Resent  uint64            `json:"resentRecords"`
	Dropped map[string]uint64 `json:"droppedRecords"` // by reason
	Queued  uint64            `json:"queuedRecords"`
	Spool   *SpoolStatus      `json:"spool,omitempty"`
}

// SpoolStatus is what waits on disk for a collector to come back.
type SpoolStatus struct {
	Octets  uint64     `json:"octets"`
	Limit   uint64     `json:"limit"` // octets
	Records uint64     `json:"records"`
	Oldest  *time.Time `json:"oldest,omitempty"`
}

// ReloadStatus is the last attempt to take a new configuration.
type ReloadStatus struct {
	Time    time.Time `json:"time"`
	Success bool      `json:"success"`
	Error   string    `json:"error,omitempty"`
}

// BalanceStatus tells whether every packet is accounted for.
type BalanceStatus struct {
	Packets uint64 `json:"packets"`
	Closes  bool   `json:"closes"`
	Open    string `json:"open,omitempty"` // the sums that do not come out
}
