module expvastic.test/app

go 1.21
