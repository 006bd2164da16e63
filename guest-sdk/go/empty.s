// Functions without a body are allowed in a package that has an assembly file.
