"""The paper's tabular experiments as data: settings, numbers, picture and claims of each figure."""
