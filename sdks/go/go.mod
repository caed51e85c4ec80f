module github.com/tollwire/tollwire/sdks/go

go 1.19
