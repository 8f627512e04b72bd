// Copyright: Contributors to the meshlb.istio project
// SPDX-License-Identifier: GPL-3.0-or-later

package main

import (
	"fmt"
	"net/url"
	"regexp"
	"strconv"
	"strings"

	route "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"
	matcher "github.com/envoyproxy/go-control-plane/envoy/type/matcher/v3"
	"google.golang.org/protobuf/proto"

	"istio.io/istio/pilot/pkg/simulation"
)

// rule is a route, under a name by which the simulation's choice is known again.
type rule struct {
	rule *route.Route
	hop  *hop
}

// narrowed is the simulation with those routes alone whose headers and queries a call has, because it looks at paths only.
func (p *proxy) narrowed(one call) (*simulation.Simulation, map[string]rule) {
	rules := map[string]rule{}
	copied := *p.simulated
	copied.Routes = nil
	for _, config := range p.simulated.Routes {
		left := proto.Clone(config).(*route.RouteConfiguration)
		for _, host := range left.VirtualHosts {
			kept := []*route.Route{}
			for number, found := range host.Routes {
				if !headersFit(found.GetMatch().GetHeaders(), one) || !queriesFit(found.GetMatch().GetQueryParameters(), one) {
					continue
				}
				met := &hop{Config: config.Name, Host: host.Name, Name: found.Name, Match: fmt.Sprint(found.GetMatch()), Action: actionOf(found)}
				met.Others = len(host.Routes) - 1
				key := fmt.Sprintf("%s\n%s\n%d", config.Name, host.Name, number)
				rules[key] = rule{found, met}
				found.Name = key
				kept = append(kept, found)
			}
			host.Routes = kept
		}
		copied.Routes = append(copied.Routes, left)
	}
	return &copied, rules
}

func actionOf(found *route.Route) string {
	switch found.GetAction().(type) {
	case *route.Route_Route:
		return "route"
	case *route.Route_Redirect:
		return "redirect"
	case *route.Route_DirectResponse:
		return "direct_response"
	}
	return "other"
}

// headersFit says whether a call has all headers that a route asks for.
func headersFit(wanted []*route.HeaderMatcher, one call) bool {
	sent := map[string]string{":method": either(one.Method, "GET"), ":authority": one.Host, ":path": either(one.Path, "/"), ":scheme": "http"}
	for name, value := range one.Headers {
		sent[strings.ToLower(name)] = value
	}
	for _, header := range wanted {
		value, there := sent[header.GetName()]
		if headerFits(header, value, there) == header.GetInvertMatch() {
			return false
		}
	}
	return true
}

func headerFits(wanted *route.HeaderMatcher, value string, there bool) bool {
	if wanted.GetTreatMissingHeaderAsEmpty() {
		there = true
	}
	switch how := wanted.GetHeaderMatchSpecifier().(type) {
	case *route.HeaderMatcher_PresentMatch:
		return there == how.PresentMatch
	case *route.HeaderMatcher_StringMatch:
		return there && textFits(how.StringMatch, value)
	case *route.HeaderMatcher_RangeMatch:
		number, err := strconv.ParseInt(value, 10, 64)
		return there && err == nil && number >= how.RangeMatch.GetStart() && number < how.RangeMatch.GetEnd()
	case nil:
		return there
	}
	return false
}

// queriesFit says whether a call's path has all parameters that a route asks for.
func queriesFit(wanted []*route.QueryParameterMatcher, one call) bool {
	_, query, _ := strings.Cut(one.Path, "?")
	sent, _ := url.ParseQuery(query)
	for _, parameter := range wanted {
		values, there := sent[parameter.GetName()]
		if !there || (parameter.GetStringMatch() != nil && !textFits(parameter.GetStringMatch(), values[0])) {
			return false
		}
	}
	return true
}

func textFits(wanted *matcher.StringMatcher, value string) bool {
	fold := func(text string) string { return text }
	if wanted.GetIgnoreCase() {
		fold = strings.ToLower
	}
	switch how := wanted.GetMatchPattern().(type) {
	case *matcher.StringMatcher_Exact:
		return fold(value) == fold(how.Exact)
	case *matcher.StringMatcher_Prefix:
		return strings.HasPrefix(fold(value), fold(how.Prefix))
	case *matcher.StringMatcher_Suffix:
		return strings.HasSuffix(fold(value), fold(how.Suffix))
	case *matcher.StringMatcher_Contains:
		return strings.Contains(fold(value), fold(how.Contains))
	case *matcher.StringMatcher_SafeRegex:
		expression, err := regexp.Compile("^(?:" + how.SafeRegex.GetRegex() + ")$")
		return err == nil && expression.MatchString(value)
	}
	return false
}
