// Memory is accessed a word at a time.
alias Unit = u32;
