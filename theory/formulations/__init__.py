<<<<<<< HEAD
"""What the meta-gradient is of: other objectives than the K steps taken as they stand."""
=======
"""Other formulations of the meta-gradient's target, and what each costs ([Liu2022], Appendix B)."""
>>>>>>> wF
