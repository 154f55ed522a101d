package srl

import (
	"strconv"
	"strings"
	"testing"

	"flowmeter/rules"
)

// This file runs rule sets of RFC 2123 §3, which were written for the engine by
// hand, beside YAML written by hand for the same: no compiler of ours is between
// the engine and them.

var opcodes = map[string]opcode{"ignore": opIgnore, "nomatch": opNoMatch, "count": opCount, "countpkt": opCountPkt,
	"return": opReturn, "gosub": opGosub, "gosubact": opGosubAct, "assign": opAssign, "assignact": opAssignAct,
	"goto": opGoto, "gotoact": opGotoAct, "pushto": opPushRuleTo, "pushtoact": opPushRuleToAct, "pushruleto": opPushRuleTo,
	"pushruletoact": opPushRuleToAct, "pushpktto": opPushPktTo, "pushpkttoact": opPushPktToAct, "popto": opPopTo, "poptoact": opPopToAct}

// assemble reads rules as NeMaC did: label: attribute & mask = value: opcode, parameter;
func assemble(t *testing.T, text string) []pmeRule {
	t.Helper()
	var lines []string
	labels := map[string]int{}
	for line := range strings.Lines(text) {
		line, _, _ = strings.Cut(line, "#")
		line = strings.TrimSuffix(strings.TrimSpace(line), ";")
		switch {
		case line == "":
		case strings.HasSuffix(line, ":") && !strings.Contains(line, "="):
			labels[strings.TrimSuffix(line, ":")] = len(lines) + 1
		default:
			lines = append(lines, line)
		}
	}
	all := make([]pmeRule, len(lines))
	for i, line := range lines {
		all[i] = assembleOne(t, line, i+1, labels)
	}
	return all
}

func assembleOne(t *testing.T, line string, at int, labels map[string]int) (r pmeRule) {
	t.Helper()
	test, action, _ := strings.Cut(line, ": ")
	attr, test, _ := strings.Cut(test, "&")
	mask, val, _ := strings.Cut(test, "=")
	word, param, _ := strings.Cut(action, ",")
	name, known := lower(strings.TrimSpace(attr)), false
	size := 1
	switch a := attributes[name]; {
	case a != nil:
		r.attr, size = a.number, a.size
	case name[0] == 'v' && len(name) == 2:
		r.attr, size = attrV1+int(name[1]-'1'), 4
	}
	r.mask = assembleValue(mask, size)
	if a := attributes[lower(strings.TrimSpace(val))]; a != nil {
		r.value = octets16{byte(a.number)}
	} else {
		r.value = assembleValue(val, size)
	}
	if r.op, known = opcodes[lower(strings.TrimSpace(word))]; !known {
		t.Fatalf("%s: no opcode %s", line, word)
	}
	param = strings.TrimSpace(param)
	n, err := strconv.Atoi(param)
	switch {
	case err == nil:
		r.param = n
	case lower(param) == "next":
		r.param = at + 1
	case labels[param] != 0:
		r.param = labels[param]
	default:
		t.Fatalf("%s: no label %s", line, param)
	}
	return r
}

func assembleValue(text string, size int) octets16 {
	text = strings.TrimSpace(text)
	k := tokValue
	if strings.Trim(text, "0123456789") == "" {
		k = tokInt
	}
	errs := &mistakes{}
	v := newValue(token{kind: k, text: text}, errs)
	b, ok := v.fill(size)
	if !ok || errs.list != nil {
		panic(text)
	}
	return fixed(b)
}

const (
	// RFC 2123 §3.2: packets of one network, then of two gateways.
	oneNetwork = `
  SourcePeerType & 255 = 1: Pushto, ip_pkt;
  Null & 0 = 0: Ignore, 0;
ip_pkt:
  SourcePeerAddress & 255.255.0.0 = 10.1.0.0: Goto, c_pkt;
  Null & 0 = 0: NoMatch, 0;
c_pkt:
  Null & 0 = 0: GotoAct, Next;
  SourcePeerAddress & 255.255.255.255 = 0: PushPkttoAct, Next;
  DestPeerAddress & 255.255.255.255 = 0: CountPkt, 0;
`
	oneNetworkYAML = `
- if: not ip
  do: ignore
- if: src.addr == 10.1.0.0/16
  save: [src.addr, dst.addr]
  do: count
`
	gateways = `
  SourcePeerType & 255 = 1: Pushto, ip_pkt;
  Null & 0 = 0: Ignore, 0;
ip_pkt:
  SourceAdjacentAddress & FF-FF-FF-FF-FF-FF = 00-1B-21-00-00-01: Goto, s1;
  Null & 0 = 0: Goto, s2;
s1:
  DestAdjacentAddress & FF-FF-FF-FF-FF-FF = 00-1B-21-00-00-02: GotoAct, g3;
  Null & 0 = 0: GotoAct, g1;
s2:
  SourceAdjacentAddress & FF-FF-FF-FF-FF-FF = 00-1B-21-00-00-02: Goto, s3;
  Null & 0 = 0: NoMatch, 0;
s3:
  DestAdjacentAddress & FF-FF-FF-FF-FF-FF = 00-1B-21-00-00-01: NoMatch, 0;
  Null & 0 = 0: GotoAct, g2;
g1:
  FlowClass & 255 = 1: PushtoAct, c_pkt;
g2:
  FlowClass & 255 = 2: PushtoAct, c_pkt;
g3:
  FlowClass & 255 = 3: PushtoAct, c_pkt;
c_pkt:
  SourceAdjacentAddress & FF-FF-FF-FF-FF-FF = 0: PushPkttoAct, Next;
  DestAdjacentAddress & FF-FF-FF-FF-FF-FF = 0: PushPkttoAct, Next;
  SourcePeerAddress & 255.255.255.255 = 0: PushPkttoAct, Next;
  DestPeerAddress & 255.255.255.255 = 0: PushPkttoAct, Next;
  Null & 0 = 0: Count, 0
`
	gatewaysYAML = `
- if: not ip
  do: ignore
- block: group
  then:
    - if: src.mac == 00:1b:21:00:00:01 && dst.mac == 00:1b:21:00:00:02
      set: {class: 3}
      leave: group
    - if: src.mac == 00:1b:21:00:00:01
      set: {class: 1}
      leave: group
    - if: src.mac == 00:1b:21:00:00:02 && dst.mac != 00:1b:21:00:00:01
      set: {class: 2}
      leave: group
    - do: nomatch
- save: [src.mac, dst.mac, src.addr, dst.addr]
  do: count
`
	// RFC 2123 §3.3: a subroutine that tests v1, called with either address.
	groups = `
  SourcePeerType & 255 = 1: PushtoAct, ip_pkt;
  Null & 0 = 0: Ignore, 0;
ip_pkt:
  v1 & 0 = SourcePeerAddress: AssignAct, Next;
  Null & 0 = 0: Gosub, classify;
    Null & 0 = 0: GotoAct, from_ua;    # 1 ua
    Null & 0 = 0: GotoAct, from_ait;   # 2 ait
    Null & 0 = 0: NoMatch, 0;          # 3 other
from_ua:
  v1 & 0 = DestPeerAddress: AssignAct, Next;
  Null & 0 = 0: Gosub, classify;
    Null & 0 = 0: Ignore, 0;            # 1 ua-ua
    Null & 0 = 0: GotoAct, ok_pkt;      # 2 ua-ait
    Null & 0 = 0: Gotoact, ok_pkt;      # 3 ua-other
from_ait:
  v1 & 0 = DestPeerAddress: AssignAct, Next;
  Null & 0 = 0: Gosub, classify;
    Null & 0 = 0: NoMatch, 0;           # 1 ait-ua
    Null & 0 = 0: Ignore, 0;            # 2 ait-ait
    Null & 0 = 0: GotoAct, ok_pkt;      # 3 ait-other
ok_pkt:
  Null & 0 = 0: Count, 0;
classify:
  v1 & 255.255.0.0 = 10.1.0.0: GotoAct, ua;      # ua
  v1 & 255.255.0.0 = 192.168.0.0: GotoAct, ait;  # ait
  Null & 0 = 0: Return, 3;                       # other
ua:
  v1 & 255.255.0.0 = 0: PushPkttoAct, Next;
  Null & 0 = 0: Return, 1;
ait:
  v1 & 255.255.0.0 = 0: PushPkttoAct, Next;
  Null & 0 = 0: Return, 2;
`
	groupsYAML = `
subroutines:
  classify:
    params: [v1]
    rules:
      - {if: v1 == 10.1.0.0/16, save: matched, return: 1}
      - {if: v1 == 192.168.0.0/16, save: v1/16, return: 2}
      - {return: 3}
rulesets:
  - orient: first
    rules:
      - {if: not ip, do: ignore}
      - save: [ip.version]
        call: {classify: [src.addr]}
        on:
          1:
            - call: {classify: [dst.addr]}
              on: {1: [{do: ignore}]}
          2:
            - call: {classify: [dst.addr]}
              on: {1: [{do: nomatch}], 2: [{do: ignore}]}
          3:
            - do: nomatch
        do: count
`
	// RFC 2123 §3.4: ports, where tests of the destination go to the actions of
	// tests of the source.
	wellKnown = `
  SourcePeerType & 255 = 1: Pushto, ip_pkt;
  Null & 0 = 0: GotoAct, Next;
  SourcePeerType & 255 = 0: PushPkttoAct, Next;
  Null & 0 = 0: Count, 0;  # Count others by protocol type
ip_pkt:
  SourceTransType & 255 = 6: Pushto, tcp_udp;
  SourceTransType & 255 = 17: Pushto, tcp_udp;
  SourceTransType & 255 = 1: CountPkt, 0;
  SourceTransType & 255 = 47: CountPkt, 0;
  Null & 0 = 0: GotoAct, c_unknown;
tcp_udp:
s_domain:
  SourceTransAddress & 255.255 = 53: PushtoAct, c_well_known;
s_www:
  SourceTransAddress & 255.255 = 80: PushtoAct, c_well_known;
  DestTransAddress & 255.255 = 53: GotoAct, s_domain;
  DestTransAddress & 255.255 = 80: GotoAct, s_www;
  Null & 0 = 0: GotoAct, c_unknown;
c_unknown:
  SourceTransType & 255 = 0: PushPkttoAct, Next;
  DestTransType & 255 = 0: PushPkttoAct, Next;
  SourceTransAddress & 255.255 = 0: PushPkttoAct, Next;
  DestTransAddress & 255.255 = 0: CountPkt, 0;
c_well_known:
  Null & 0 = 0: Count, 0
`
	wellKnownYAML = `
- if: ip.version == 6
  save: ip.version
  do: count
- if: not ip
  save: ip.version
  do: count
- save: ip.version
- if: proto in {1, 47}
  save: matched
  do: count
- if: tcp or udp
  save: proto
  then:
    - {if: src.port == 53, save: matched, do: count}
    - {if: src.port == 80, save: matched, do: count}
    - {if: dst.port == 53, save: [{src.port: 53}], do: count}
    - {if: dst.port == 80, save: [{src.port: 80}], do: count}
- save: [proto, src.port, dst.port]
  do: count
`
)

// TestRFC2123: rule sets that were written for the engine say what the rules
// say that were written here for the same.
func TestRFC2123(t *testing.T) {
	executed := map[opcode]bool{}
	for _, tt := range []struct{ name, table, yaml string }{
		{"one network", oneNetwork, oneNetworkYAML}, {"gateways", gateways, gatewaysYAML},
		{"groups", groups, groupsYAML}, {"well-known ports", wellKnown, wellKnownYAML},
	} {
		yaml := tt.yaml
		if !strings.Contains(yaml, "rulesets:") {
			yaml = "rulesets:\n  - orient: first\n    rules:" + strings.ReplaceAll(yaml, "\n", "\n      ")
		}
		p := &pair{src: tt.table, yaml: yaml, table: assemble(t, tt.table), program: ruleSet(t, yaml).Program,
			zeros: map[rules.Key]rules.Attr{}, executed: executed}
		m := newMaker(1)
		verdicts := map[rules.Verdict]int{}
		for range 20_000 {
			verdicts[p.compare(t, m.packet())]++
		}
		t.Logf("%s: %v", tt.name, verdicts)
	}
	for _, op := range []opcode{opCountPkt, opGosub, opAssignAct, opGotoAct, opPushRuleToAct, opPushPktToAct} {
		if !executed[op] {
			t.Errorf("opcode %d was never executed", op)
		}
	}
}

// TestOpcodes: each opcode does what RFC 2722 §4.4 says of it, its test flag
// included. The packet is from 10.1.2.3 port 80.
func TestOpcodes(t *testing.T) {
	packet := map[int]octets16{9: {10, 1, 2, 3}, 12: {0, 80}, attrMatchingStoD: {1}}
	const fails = "SourceTransAddress & 255.255 = 81" // a test that fails
	for _, tt := range []struct {
		name, table string
		want        outcome
		queue       int
	}{
		{"the end", fails + ": Ignore, 0;", pmeNoMatch, 0},
		{"Ignore", "Null & 0 = 0: Ignore, 0;", pmeIgnore, 0},
		{"NoMatch", "Null & 0 = 0: NoMatch, 0;\nNull & 0 = 0: Ignore, 0;", pmeNoMatch, 0},
		{"Count", fails + ": Ignore, 0;\nSourceTransAddress & 255.255 = 80: Count, 0;", pmeSuccess, 1},
		{"Count of Null", "Null & 0 = 0: Count, 0;", pmeSuccess, 0},
		{"CountPkt", "SourceTransAddress & 255.0 = 0: CountPkt, 0;", pmeSuccess, 1},
		{"Goto tests", "Null & 0 = 0: Goto, 2;\n" + fails + ": Ignore, 0;\nNull & 0 = 0: Count, 0;", pmeSuccess, 0},
		{"GotoAct does not", "Null & 0 = 0: GotoAct, 2;\n" + fails + ": Ignore, 0;", pmeIgnore, 0},
		{"the test flag comes back", "Null & 0 = 0: GotoAct, 2;\n" + fails + ": Goto, 3;\n" + fails + ": Ignore, 0;\nNull & 0 = 0: Count, 0;", pmeSuccess, 0},
		{"PushRuleTo tests", "Null & 0 = 0: GotoAct, 2;\nSourceTransType & 255 = 6: PushRuleTo, 3;\n" + fails + ": Ignore, 0;\nNull & 0 = 0: Count, 0;", pmeSuccess, 1},
		{"PushRuleToAct does not", "Null & 0 = 0: GotoAct, 2;\nSourceTransType & 255 = 6: PushRuleToAct, 3;\n" + fails + ": Ignore, 0;", pmeIgnore, 1},
		{"PushPktTo tests", "Null & 0 = 0: GotoAct, 2;\nSourceTransAddress & 255.0 = 9: PushPktTo, 3;\n" + fails + ": Ignore, 0;\nNull & 0 = 0: Count, 0;", pmeSuccess, 1},
		{"PushPktToAct does not", "Null & 0 = 0: GotoAct, 2;\nSourceTransAddress & 255.0 = 9: PushPktToAct, 3;\n" + fails + ": Ignore, 0;", pmeIgnore, 1},
		{"PopTo tests", "SourceTransType & 255 = 0: PushRuleTo, 2;\nNull & 0 = 0: PopTo, 3;\n" + fails + ": Ignore, 0;\nNull & 0 = 0: Count, 0;", pmeSuccess, 0},
		{"PopToAct does not", "SourceTransType & 255 = 0: PushRuleTo, 2;\nNull & 0 = 0: PopToAct, 3;\n" + fails + ": Ignore, 0;", pmeIgnore, 0},
		{"computed attributes are tested", "FlowKind & 255 = 7: Ignore, 0;\nNull & 0 = 0: GotoAct, 3;\nFlowKind & 255 = 7: PushRuleTo, 4;\nFlowKind & 255 = 7: Count, 0;", pmeSuccess, 2},
		{"Assign tests", "v1 & 0 = 0: GotoAct, 2;\nv1 & 0 = SourceTransAddress: Assign, 3;\nv1 & 255.255.0.0 = 0.81.0.0: Ignore, 0;\nv1 & 255.255.0.0 = 0.80.0.0: Count, 0;", pmeSuccess, 1},
		{"AssignAct does not", "v1 & 0 = 0: GotoAct, 2;\nv1 & 0 = SourceTransAddress: AssignAct, 3;\nv1 & 255.255.0.0 = 0.81.0.0: Ignore, 0;", pmeIgnore, 0},
		{"Gosub tests, Return does not", "Null & 0 = 0: Gosub, 4;\n" + fails + ": Ignore, 0;\n" + fails + ": Count, 0;\n" + fails + ": NoMatch, 0;\nNull & 0 = 0: Return, 2;", pmeSuccess, 1},
		{"GosubAct does not", "Null & 0 = 0: GosubAct, 2;\n" + fails + ": Ignore, 0;", pmeIgnore, 0},
		{"Return brings variables back", "Null & 0 = 0: GotoAct, 2;\nv1 & 0 = SourceTransAddress: Assign, 3;\nNull & 0 = 0: Gosub, 6;\nNull & 0 = 0: Goto, 5;\n" +
			"v1 & 255.255.0.0 = 0.80.0.0: Count, 0;\nNull & 0 = 0: GotoAct, 7;\nv1 & 0 = SourcePeerAddress: Assign, 8;\nNull & 0 = 0: Return, 1;", pmeSuccess, 1},
	} {
		e := newEngine(assemble(t, tt.table), packet)
		if got := e.match(); got != tt.want || len(e.queue) != tt.queue {
			t.Errorf("%s: outcome %d with %d in the queue, not %d with %d", tt.name, got, len(e.queue), tt.want, tt.queue)
		}
	}
}
