// Memory is accessed four words at a time.
alias Unit = vec4<u32>;
