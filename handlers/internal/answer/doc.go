// Package answer holds the HTTP rules by which requests for streams are
// answered: which form a client wants, what it may ask for, what pages of other
// origins may read, what an error looks like, and which response writers will
// do. It knows requests, headers and response writers, and nothing about
// streams: begin with [Negotiate] and [WriteProblem].
package answer
