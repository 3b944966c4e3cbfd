package schema

import (
	"iter"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

// children are the checks that the validator can go on to from this one, whatever
// comes of those before: parts of the schema, and the place that each is about.
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

// same are the parts of a schema that are about the value itself.
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

// ofMembers are those about an object's members and their names.
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

// ofItems are those about an array's items.
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
