package srl

// A program is what was parsed.
type program struct {
	stmts   []*stmt
	subs    []*sub
	defines []*define
	ruleSet string   // of SET, an extension of NeTraMet
	head    []string // comments before the first word
	foot    []string // comments behind the last statement
}

// A sub is a subroutine declaration.
type sub struct {
	name     string // in lower case, as all names
	pos      pos
	params   []*param
	stmts    []*stmt
	comments []string
	foot     []string // comments before ENDSUB
	called   bool
}

// A param is a parameter; bind finds what it stands for.
type param struct {
	name     string
	pos      pos
	variable bool
	stands   []*attribute // what calls pass, each once
}

// A ref is the name of an attribute, or of a parameter that stands for one.
type ref struct {
	pos   pos
	name  string // as it was written
	attr  *attribute
	param *param
}

type exprOp uint8

const (
	opTest exprOp = iota
	opAnd
	opOr
)

// An expr is a test of an attribute against operands, or several of them.
type expr struct {
	op   exprOp
	kids []*expr
	ref  ref
	list []group
}

// A group is a run of operands that one define stands for, or one operand.
type group struct {
	def      *define // nil for none
	operands []operand
}

type stmtKind uint8

const (
	stIf stmtKind = iota
	stCompound
	stSave     // the packet's value, under a mask
	stSaveRule // a constant
	stStore
	stCount
	stIgnore
	stNoMatch
	stExit
	stReturn
	stCall
	stNull
	stRemark // an extension of NeTraMet that is no rule
)

// A stmt is a statement.
type stmt struct {
	kind     stmtKind
	pos      pos
	comments []string
	cond     *expr
	save     bool // of stIf
	then     *stmt
	els      *stmt // nil without
	label    string
	labelPos pos
	used     bool // some EXIT leaves it
	body     []*stmt
	foot     []string // comments before }
	ref      ref
	operand  operand // a constant, or a mask alone
	number   int     // of RETURN; 0 for none
	sub      string  // of CALL
	args     []ref
	answers  []numbered
	target   *stmt // of EXIT
}

// A numbered statement is what a CALL does with some numbers.
type numbered struct {
	numbers []int
	pos     pos
	stmt    *stmt
}
