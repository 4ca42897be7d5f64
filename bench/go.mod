module github.com/fluxwire-go/fluxwire/bench

go 1.26.0

require github.com/fluxwire-go/fluxwire v0.0.0

replace github.com/fluxwire-go/fluxwire => ../
