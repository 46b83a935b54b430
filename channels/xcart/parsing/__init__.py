"""Values of the contract from what a shop sent: orders of both generations, odd JSON types, and limits. It sends nothing."""
