package schema

import (
	"iter"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

// children yields the checks that the validator can make within this one: a part of the
// schema, and the part of the value that it checks. It yields all of them, also those that
// the validator leaves out after a failure; the count is an upper bound.
func children(s *jsonschema.Schema, p *place) iter.Seq2[*jsonschema.Schema, *place] {
	return func(yield func(*jsonschema.Schema, *place) bool) {
		on := true
		check := func(sub *jsonschema.Schema, at *place) {
			if on && sub != nil {
				on = yield(sub, at)
			}
		}
		same(s, func(sub *jsonschema.Schema) { check(sub, p) })
		if p.members != nil {
			ofMembers(s, p, check)
		}
		ofItems(s, p, check)
	}
}

// same calls check for the parts of a schema that check the value itself.
func same(s *jsonschema.Schema, check func(*jsonschema.Schema)) {
	check(s.Ref)
	check(s.RecursiveRef)
	if s.DynamicRef != nil {
		check(s.DynamicRef.Ref)
	}
	for _, list := range [][]*jsonschema.Schema{s.AllOf, s.AnyOf, s.OneOf, {s.Not, s.If, s.Then, s.Else}} {
		for _, sub := range list {
			check(sub)
		}
	}
	for _, d := range s.Dependencies {
		sub, _ := d.(*jsonschema.Schema)
		check(sub)
	}
	for _, sub := range s.DependentSchemas {
		check(sub)
	}
}

// ofMembers calls check for the parts that check an object's members and their names.
func ofMembers(s *jsonschema.Schema, p *place, check func(*jsonschema.Schema, *place)) {
	additional, _ := s.AdditionalProperties.(*jsonschema.Schema)
	for name, member := range p.members {
		check(s.Properties[name], member)
		for re, sub := range s.PatternProperties {
			if re.MatchString(name) {
				check(sub, member)
			}
		}
		check(additional, member)
		check(s.UnevaluatedProperties, member)
		check(s.PropertyNames, p.names[name])
	}
}

// ofItems calls check for the parts that check an array's items. Drafts differ: up to
// 2019-09 "items" is one schema or a list, and "additionalItems" follows the list; in
// 2020-12 the list is "prefixItems" and "items" follows it.
func ofItems(s *jsonschema.Schema, p *place, check func(*jsonschema.Schema, *place)) {
	each, _ := s.Items.(*jsonschema.Schema)
	first, _ := s.Items.([]*jsonschema.Schema)
	additional, _ := s.AdditionalItems.(*jsonschema.Schema)
	for i, item := range p.items {
		if i < len(first) {
			check(first[i], item)
		}
		if i < len(s.PrefixItems) {
			check(s.PrefixItems[i], item)
		}
		for _, sub := range []*jsonschema.Schema{each, additional, s.Items2020, s.Contains, s.UnevaluatedItems} {
			check(sub, item)
		}
	}
}
