package rules

// merged returns conditions of which one is to be true, with those that test
// the same field made one, where the first of them stands.
func merged(kids []*cond) []*cond {
	at, own := map[*field]int{}, map[int]bool{}
	var out []*cond
	for _, kid := range kids {
		i, known := at[kid.field]
		if !kid.plain() {
			out = append(out, kid)
			continue
		}
		if !known {
			at[kid.field] = len(out)
			out = append(out, kid)
			continue
		}
		if !own[i] {
			own[i] = true
			out[i] = &cond{kind: exprTest, field: kid.field, want: out[i].want.named()}
		}
		out[i].want.add(&kid.want)
	}
	for i := range own {
		out[i].want.sort()
	}
	return out
}
